from django.apps import AppConfig


class Jobs(AppConfig):
    name = "marketplace.jobs"
    label = "jobs"

    def ready(self) -> None:
        from marketplace.accounts import personal as people
        from marketplace.jobs import (
            personal,
            signals,  # noqa: F401  connects what a worker does when it starts
        )

        people.register(personal)
