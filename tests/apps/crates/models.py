"""Models of a multi-schema environment that is made in few statements."""

from django_schemas import models


class Crate(models.Model):
    label = models.CharField(max_length=20)

    class Meta:
        db_environment = "crates"


class Bottle(models.Model):
    crate = models.ForeignKey(Crate, on_delete=models.CASCADE)

    class Meta:
        db_environment = "crates"
