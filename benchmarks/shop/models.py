"""What a shop keeps. Written for plain Django: no contender's classes, so that all can take it as it is."""

from django.conf import settings
from django.db import models


class Category(models.Model):
    """A shelf of the shop."""

    name = models.CharField(max_length=120)
    slug = models.SlugField(unique=True)
    parent = models.ForeignKey("self", models.CASCADE, null=True, blank=True)


class Tag(models.Model):
    """A word that products bear."""

    name = models.CharField(max_length=60, unique=True)


class Supplier(models.Model):
    """Who sells to the shop."""

    name = models.CharField(max_length=120, db_index=True)
    country = models.CharField(max_length=2, default="")
    categories = models.ManyToManyField(Category)

    class Meta:
        indexes = [models.Index(fields=["country"], name="supplier_country")]


class Product(models.Model):
    """What is sold."""

    sku = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=250)
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    category = models.ForeignKey(Category, models.PROTECT)
    supplier = models.ForeignKey(Supplier, models.SET_NULL, null=True)
    tags = models.ManyToManyField(Tag)
    related = models.ManyToManyField("self")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["name"], name="product_name")]


class Warehouse(models.Model):
    """Where products lie."""

    code = models.CharField(max_length=20, unique=True)
    city = models.CharField(max_length=80, default="")


class Stock(models.Model):
    """How many of a product lie in a warehouse."""

    product = models.ForeignKey(Product, models.CASCADE)
    warehouse = models.ForeignKey(Warehouse, models.CASCADE)
    quantity = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["product", "warehouse"], name="one_stock_per_warehouse")]


class Customer(models.Model):
    """Who buys."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120)
    favorites = models.ManyToManyField(Product)


class Order(models.Model):
    """What a customer ordered at once."""

    customer = models.ForeignKey(Customer, models.PROTECT)
    number = models.CharField(max_length=20, unique=True)
    status = models.CharField(
        max_length=20, default="new", choices=[("new", "new"), ("paid", "paid"), ("sent", "sent")]
    )
    note = models.TextField(default="")
    placed_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["status", "placed_at"], name="order_status_placed")]


class OrderLine(models.Model):
    """How many of a product were ordered, and for how much."""

    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, models.PROTECT)
    quantity = models.PositiveIntegerField(default=1)
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["order", "product"], name="one_line_per_product")]


class Review(models.Model):
    """What a customer says of a product."""

    product = models.ForeignKey(Product, models.CASCADE)
    customer = models.ForeignKey(Customer, models.CASCADE)
    rating = models.PositiveSmallIntegerField()
    text = models.TextField(blank=True)
    helpful_to = models.ManyToManyField(Customer, related_name="+")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(rating__range=(1, 5)), name="rating_1_to_5")]
