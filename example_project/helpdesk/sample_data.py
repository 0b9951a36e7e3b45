"""Plausible rows for a help desk, the same ones at every run.

Each row's text holds a witness word, so that a row which turns up where it does not belong is seen at once.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.utils import timezone
from django.utils.text import slugify

from ..accounts import owner_of
from .models import Comment, Customer, Tag, Ticket

TEAM = ("Robin", "Noor", "Sam")
PEOPLE = (
    "Ada Lindqvist", "Kwame Boateng", "Mei Tanaka", "Lucía Ferrer", "Jonas Weber", "Priya Raman",
    "Tomasz Nowak", "Amara Okafor", "Elif Demir", "Hugo Lambert", "Ines Carvalho", "Oskar Nyberg",
    "Farah Haddad", "Dylan Price", "Yuna Kim", "Marta Rossi", "Pavel Dvořák", "Leila Amrani",
    "Callum Reid", "Sofia Petrova",
)  # fmt: skip
COMPANIES = (
    "Brightwater Foods", "Kestrel Cycles", "Alder & Pine", "Northlight Studio", "Marlow Ceramics",
    "Tidewater Books", "Foxglove Garden", "Copper Kettle", "Larkspur Travel", "",
)  # fmt: skip
TAGS = ("billing", "delivery", "account", "bug", "question", "feedback")
TOPICS = (
    ("The parcel arrived empty", "The box was closed, but nothing was in it. What now?", "delivery"),
    ("Can I pay by invoice?", "Our book-keeping pays by bank transfer only. Is that possible?", "billing"),
    ("A new address for our office", "We move on the first. Please send everything there.", "account"),
    ("I can't sign in any more", "My password is refused, and no mail arrives.", "account"),
    ("The export stops half way", "The file ends after some five hundred lines.", "bug"),
    ("Charged twice for one order", "My card shows the same amount two times on the same day.", "billing"),
    ("Which size should I take?", "The table speaks of centimetres, the label of inches.", "question"),
    ("Praise for your delivery driver", "He carried it up four floors and took no tip.", "feedback"),
    ("The colours look wrong on my phone", "What is green on the laptop is grey on the phone.", "bug"),
    ("Please close my account", "I have no use for it any longer. What happens to my data?", "account"),
    ("When does the order leave?", "It is 'in preparation', and I travel on Friday.", "delivery"),
    ("A receipt with our tax number", "The one I have got shows the company's name only.", "billing"),
    ("The search finds nothing", "Any word at all gives an empty page, with every browser here.", "bug"),
    ("Is there a printed manual?", "My father wants one.", "feedback"),
    ("Do you deliver to the islands?", "There is a ferry each second day, if that helps.", "question"),
)  # fmt: skip
REPLIES = (
    "Thank you for writing. I am looking into it and come back to you today.",
    "Could you send us a picture, please? Then we can settle it at once.",
    "I have talked to the warehouse: a new one leaves tomorrow.",
    "That is done now. Please tell us if anything is left.",
    "Our mistake, and I am sorry. The amount is on its way back to you.",
    "I have passed this on to the people who build it, and will write when it is better.",
)


@dataclass(frozen=True)
class Filled:
    """How many rows were made."""

    users: int
    customers: int
    tickets: int
    comments: int


def fill(witness: str, password: str, now: datetime | None = None) -> Filled:
    """Fill the help desk at hand, which must be empty: some ten statements, however many rows.

    Args:
        witness: A word of which every row's text holds a copy, and from which all that is random follows.
        password: The owner's, and the whole team's.
        now: The moment before which everything happened.
    """
    random = Random(witness)
    now = now or timezone.now()
    users = User.objects.bulk_create(team(witness, password))
    tags = dict(zip(TAGS, Tag.objects.bulk_create(Tag(name=f"{witness}-{word}") for word in TAGS), strict=True))
    customers = Customer.objects.bulk_create(people(witness, random, now))
    made = [ticket(witness, number, random, now, customers, users) for number in range(1, random.randint(34, 58))]
    tickets = Ticket.objects.bulk_create(ticket for ticket, _ in made)
    comments = [comment for ticket in tickets for comment in talk(witness, ticket, random, now, users)]
    Comment.objects.bulk_create(comments)
    Ticket.objects.bulk_update(tickets, ["updated_at"])
    tagging = Ticket.tags.through
    tagging.objects.bulk_create(tagging(ticket=ticket, tag=tags[word]) for ticket, word in made)
    return Filled(len(users), len(customers), len(tickets), len(comments))


def team(witness: str, password: str) -> list[User]:
    """Return the owner, who may do everything, and two who answer tickets; their hash is made once."""
    secret = make_password(password)
    owner = User(username=owner_of(witness), first_name=TEAM[0], is_staff=True, is_superuser=True, password=secret)
    others = [User(username=f"{name.lower()}@{witness}.test", first_name=name, password=secret) for name in TEAM[1:]]
    return [owner, *others]


def people(witness: str, random: Random, now: datetime) -> list[Customer]:
    """Return the customers."""
    names = random.sample(PEOPLE, random.randint(12, 18))
    return [
        Customer(
            name=name,
            email=f"{slugify(name)}@{witness}-customers.test",
            company=random.choice(COMPANIES),
            created_at=now - timedelta(days=random.randint(30, 700)),
        )
        for name in names
    ]


def ticket(
    witness: str, number: int, random: Random, now: datetime, customers: list[Customer], users: list[User]
) -> tuple[Ticket, str]:
    """Return one ticket and the word it is tagged with. Of the youngest, fewer are solved."""
    subject, text, word = random.choice(TOPICS)
    reference = f"{witness}-{number:04}"
    created = now - timedelta(minutes=round(90_000 / number * random.uniform(0.7, 1.0)) + 30)
    status = random.choices(Ticket.Status.values, weights=[4, 3, 6 if number > 12 else 40])[0]
    solved = status == Ticket.Status.SOLVED
    made = Ticket(
        customer=random.choice(customers),
        assignee=random.choice(users) if solved else random.choice([*users, None]),
        status=status,
        priority=random.choices(Ticket.Priority.values, weights=[2, 6, 3, 1])[0],
        subject=f"{subject} ({reference})",
        description=f"{text}\n\nMy reference is {reference}.",
        created_at=created,
        updated_at=created,
    )
    return made, word


def talk(witness: str, ticket: Ticket, random: Random, now: datetime, users: list[User]) -> list[Comment]:
    """Return the replies to one ticket, which each set the time of its last change."""
    comments = []
    for body in random.sample(REPLIES, random.choice([0, 1, 2, 3])):
        ticket.updated_at += (now - ticket.updated_at) * random.uniform(0.1, 0.5)
        author = ticket.assignee or random.choice(users)
        text = f"Hello {ticket.customer.name.split()[0]},\n\n{body}\n\n{author.first_name}, for {witness}"
        comments.append(Comment(ticket=ticket, author=author, body=text, created_at=ticket.updated_at))
    return comments
