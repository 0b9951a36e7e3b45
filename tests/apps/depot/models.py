"""Models of a multi-schema environment that lives in one database, together with the registry."""

from django_schemas import models
from tests.apps.platform.models import Plan


class Contract(models.Model):
    plan = models.ForeignKey(Plan, on_delete=models.CASCADE)
    number = models.CharField(max_length=20)

    class Meta:
        db_environment = "depot"
