"""What a help desk keeps: customers, their tickets, the talk about them, and the keys of its JSON endpoint.

Ordinary Django models, but for the import and one line in each `Meta`: `db_environment` says that their
tables are made in every schema of the environment `tenant`. No query here names a schema.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Any, Self

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from django_schemas import models


class Customer(models.Model):
    """Somebody who writes to the help desk."""

    name = models.CharField(max_length=100)
    email = models.EmailField(unique=True)
    company = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_environment = "tenant"
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("customer", args=[self.pk])


class Tag(models.Model):
    """A word that groups tickets."""

    name = models.CharField(max_length=40, unique=True)

    class Meta:
        db_environment = "tenant"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class TicketQuerySet(QuerySet["Ticket"]):
    """The questions that views ask about tickets."""

    def search(self, text: str) -> Self:
        """Keep the tickets whose number, subject, description or customer holds `text`."""
        found = Q()
        for word in text.split():
            match = (
                Q(subject__icontains=word)
                | Q(description__icontains=word)
                | Q(customer__name__icontains=word)
                | Q(customer__company__icontains=word)
            )
            number = word.removeprefix("#")
            if number.isascii() and number.isdigit() and len(number) < 19:
                match |= Q(pk=int(number))
            found &= match
        return self.filter(found)

    def for_list(self) -> Self:
        """Load with each ticket all that one line of a list shows, in two queries."""
        return self.select_related("customer", "assignee").prefetch_related("tags")

    def counts(self) -> dict[str, int]:
        """Count the tickets of each status, and those that nobody has taken, in one query."""
        waiting = ~Q(status=Ticket.Status.SOLVED)
        return self.aggregate(
            **{status.value: Count("pk", filter=Q(status=status)) for status in Ticket.Status},
            unassigned=Count("pk", filter=waiting & Q(assignee=None)),
            urgent=Count("pk", filter=waiting & Q(priority=Ticket.Priority.URGENT)),
            total=Count("pk"),
        )


class Ticket(models.Model):
    """One question of one customer, until it is solved."""

    class Status(models.TextChoices):
        OPEN = "open", "Open"
        PENDING = "pending", "Pending"
        SOLVED = "solved", "Solved"

    class Priority(models.IntegerChoices):
        LOW = 1, "Low"
        NORMAL = 2, "Normal"
        HIGH = 3, "High"
        URGENT = 4, "Urgent"

    customer = models.ForeignKey(Customer, on_delete=models.PROTECT, related_name="tickets")
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="tickets"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.OPEN)
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.NORMAL)
    subject = models.CharField(max_length=150)
    description = models.TextField()
    tags = models.ManyToManyField(Tag, blank=True, related_name="tickets")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = TicketQuerySet.as_manager()

    class Meta:
        db_environment = "tenant"
        ordering = ["-updated_at", "-pk"]
        indexes = [
            models.Index(fields=["status", "-updated_at"], name="ticket_status_updated"),
            models.Index(fields=["-updated_at"], name="ticket_updated"),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.subject}"

    def get_absolute_url(self) -> str:
        return reverse("ticket", args=[self.pk])

    def reply(self, author: Any, body: str, status: str | None = None) -> Comment:
        """Add a comment and, with it, set the ticket's status: both or neither.

        Args:
            author: The user who writes.
            body: The text.
            status: The ticket's status from now on; unchanged if left out.
        """
        self.status = status or self.status
        self.updated_at = timezone.now()
        with transaction.atomic(using=self._state.db):
            self.save(update_fields=["status", "updated_at"])
            return self.comments.create(author=author, body=body, created_at=self.updated_at)


class Comment(models.Model):
    """One message in the talk about a ticket."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="comments")
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_environment = "tenant"
        ordering = ["created_at", "pk"]
        indexes = [models.Index(fields=["-created_at"], name="comment_created")]

    def __str__(self) -> str:
        return f"Comment {self.pk} on #{self.ticket_id}"


class ApiKey(models.Model):
    """A secret that opens the JSON endpoint of this help desk, and of no other. Only its digest is kept."""

    name = models.CharField(max_length=60, help_text="Who uses this key, such as a script or a partner.")
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        db_environment = "tenant"
        ordering = ["name", "pk"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return self.name

    def new_secret(self) -> str:
        """Give this key a fresh secret and return it. Nothing is saved, and it can't be read again later."""
        secret = secrets.token_urlsafe(32)
        self.digest = digest_of(secret)
        return secret

    @classmethod
    def issue(cls, name: str) -> str:
        """Return the secret of a new key, which takes the place of those of that name."""
        key = cls(name=name)
        secret = key.new_secret()
        cls.objects.filter(name=name).delete()
        key.save()
        return secret


def digest_of(secret: str) -> str:
    """Return what is kept of a key's secret. It has 256 random bits, so a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()
