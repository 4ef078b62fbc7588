from django.apps import AppConfig


class Jobs(AppConfig):
    name = "marketplace.jobs"
    label = "jobs"

    def ready(self) -> None:
        from marketplace.jobs import signals  # noqa: F401  connects what a worker does when it starts
