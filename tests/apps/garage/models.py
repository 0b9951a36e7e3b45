"""Models of the multi-schema environment: every kind of relation that Django knows.

Each row names in `witness` the place it was made for, so a row that shows up elsewhere gives itself away.
"""

from typing import Self

from django.contrib.auth.models import User
from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models as django_models

from django_schemas import models
from tests.apps.platform.models import Plan


class GarageModel(models.Model):
    """The environment is declared here, once."""

    witness = models.CharField(max_length=80)

    class Meta:
        abstract = True
        db_environment = "tenant"


class Tag(GarageModel):
    name = models.CharField(max_length=20)


class OwnerManager(models.Manager["Owner"]):
    def named(self, name: str) -> "models.QuerySet[Owner]":
        return self.filter(name=name)


class Owner(GarageModel):
    name = models.CharField(max_length=20)
    # The registry may be in another database than the owner.
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, db_constraint=False)
    notes = GenericRelation("garage.Note")

    objects = OwnerManager()

    @classmethod
    def hire(cls, name: str, **values: str) -> Self:
        return cls.objects.create(name=name, **values)


class CarQuerySet(models.QuerySet["Car"]):
    def tagged(self, name: str) -> "CarQuerySet":
        return self.filter(tags__name=name)


class CarManager(models.Manager["Car"]):
    """Builds its queryset by hand, as many projects do."""

    def get_queryset(self) -> CarQuerySet:
        return CarQuerySet(self.model, using=self._db)


class Car(GarageModel):
    name = models.CharField(max_length=20)
    owner = models.ForeignKey(Owner, on_delete=models.CASCADE, null=True)
    tags = models.ManyToManyField(Tag)
    mechanics = models.ManyToManyField(
        Owner, through="Repair", through_fields=("car", "mechanic"), related_name="repaired"
    )
    notes = GenericRelation("garage.Note")

    objects = CarManager()
    fleet = CarQuerySet.as_manager()


class Repair(GarageModel):
    """The repairs of a car, in their order."""

    car = models.ForeignKey(Car, on_delete=models.CASCADE)
    mechanic = models.ForeignKey(Owner, on_delete=models.CASCADE, related_name="repairs")
    checked_by = models.ForeignKey(Owner, on_delete=models.CASCADE, null=True, related_name="+")

    class Meta(GarageModel.Meta):
        order_with_respect_to = "car"


class Truck(Car):
    payload = models.IntegerField(default=0)

    objects = models.Manager()


class OldCarManager(models.Manager["OldCar"]):
    def get_queryset(self) -> "models.QuerySet[OldCar]":
        return super().get_queryset().filter(tags__name="old")


class OldCar(Car):
    objects = OldCarManager()

    class Meta:
        proxy = True


class Badge(GarageModel):
    number = models.IntegerField()
    user = models.OneToOneField(User, on_delete=models.CASCADE)
    plan = models.OneToOneField(Plan, on_delete=models.PROTECT, null=True, db_constraint=False)


class Positioned(django_models.Model):
    """Stands for an abstract model of another package, as GeoDjango's."""

    position = django_models.IntegerField()

    class Meta:
        abstract = True


class Lot(models.SchemaModel, Positioned):
    witness = models.CharField(max_length=80)

    class Meta:
        db_environment = "tenant"


class Note(GarageModel):
    text = models.CharField(max_length=20)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE)
    object_id = models.IntegerField()
    target = GenericForeignKey()
