"""The demo: a catalog of real models, tasks that nobody's model has seen, and the main job, done as a user would.

`recipes` says what is offered and asked, `packing` trains it, `seeding` offers it through the services, `main_job` walks
from a data file to predictions through HTTP, and `supervising` keeps web and worker running.
"""
