from django.contrib.gis.db import models as gis_models

from django_schemas import models


class Region(models.SchemaModel, gis_models.Model):
    """A base of each kind, as projects write it."""

    name = models.CharField(max_length=20)
    witness = models.CharField(max_length=80)
    border = gis_models.PolygonField()

    class Meta:
        db_environment = "atlas"


class Spot(models.Model):
    name = models.CharField(max_length=20)
    witness = models.CharField(max_length=80)
    region = models.ForeignKey(Region, on_delete=models.CASCADE, null=True)
    point = gis_models.PointField()
    # In metres, and unlike the others without an index.
    flat = gis_models.PointField(srid=3857, null=True, spatial_index=False)
    round = gis_models.PointField(geography=True, null=True)

    class Meta:
        db_environment = "atlas"
