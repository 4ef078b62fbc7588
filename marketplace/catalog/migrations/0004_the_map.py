import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("catalog", "0003_people_and_places"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Island",
            fields=[
                ("space", models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name="island", serialize=False, to="catalog.space")),
                ("x", models.FloatField()),
                ("y", models.FloatField()),
                ("radius", models.FloatField()),
                ("size", models.PositiveIntegerField()),
                ("generation", models.PositiveIntegerField(default=1)),
                ("projection", models.BinaryField()),
            ],
        ),
        migrations.AddIndex(
            model_name="version",
            index=models.Index(fields=["status", "is_latest", "created"], name="latest_by_age"),
        ),
    ]
