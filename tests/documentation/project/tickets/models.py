"""What a tenant of the help desk has."""

from django_schemas import models


class Customer(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        db_environment = "tenant"


class Ticket(models.Model):
    subject = models.CharField(max_length=200)
    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, null=True)
    status = models.CharField(max_length=20, default="open")
    priority = models.CharField(max_length=20, default="high")
    hours = models.IntegerField(default=1)
    reminded = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_environment = "tenant"

    def remind(self):
        self.reminded = True
        self.save()


class Comment(models.Model):
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE)
    text = models.TextField(default="")

    class Meta:
        db_environment = "tenant"


class Order(models.Model):
    number = models.IntegerField(default=0)

    class Meta:
        db_environment = "tenant"


class ApiKey(models.Model):
    key = models.CharField(max_length=40)

    class Meta:
        db_environment = "tenant"
