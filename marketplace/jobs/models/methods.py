"""The methods of reuse that workers offer."""

from django.db import models


class ReuseMethod(models.Model):
    """A method that some worker offers. Workers write this table when they start."""

    kind = models.CharField(max_length=20)
    name = models.CharField(max_length=40)
    title = models.CharField(max_length=200)
    doc = models.TextField(blank=True)
    params = models.JSONField(default=dict)  # {name: {"type": ..., "default": ...}}
    needs_labels = models.BooleanField(default=False)
    needs_family = models.BooleanField(default=False)
    seen = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="one_row_per_method")]
        ordering = ["kind", "name"]

    def __str__(self) -> str:
        return self.address

    @property
    def address(self) -> str:
        return f"{self.kind}/{self.name}" if self.kind != self.name else self.name
