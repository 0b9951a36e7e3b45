"""What people may type: tickets, replies, customers, and the filter above the ticket list."""

from typing import Any

from django import forms

from .models import Comment, Customer, Tag, Ticket


class TicketForm(forms.ModelForm):
    """A new ticket, or the whole of an old one."""

    class Meta:
        model = Ticket
        fields = ["customer", "subject", "description", "status", "priority", "assignee", "tags"]
        widgets = {
            "description": forms.Textarea(attrs={"rows": 7}),
            "tags": forms.CheckboxSelectMultiple,
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["assignee"].empty_label = "Nobody yet"
        self.fields["assignee"].queryset = self.fields["assignee"].queryset.filter(is_active=True)
        self.fields["customer"].empty_label = "Choose a customer"


class ReplyForm(forms.ModelForm):
    """A comment, and the status in which it leaves the ticket."""

    status = forms.ChoiceField(choices=Ticket.Status, label="Then set the ticket to")

    class Meta:
        model = Comment
        fields = ["body"]
        labels = {"body": "Reply"}
        widgets = {"body": forms.Textarea(attrs={"rows": 4, "placeholder": "Write a reply"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)


class CustomerForm(forms.ModelForm):
    """A customer."""

    class Meta:
        model = Customer
        fields = ["name", "email", "company"]
        labels = {"email": "E-mail", "company": "Company (optional)"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)


class TicketFilter(forms.Form):
    """The words, status and tag to which tickets are narrowed. All may be left out."""

    q = forms.CharField(
        required=False,
        label="Search",
        widget=forms.TextInput(attrs={"type": "search", "placeholder": "Subject, customer or #number"}),
    )
    status = forms.ChoiceField(required=False, choices=[("", "Any status"), *Ticket.Status.choices])
    tag = forms.ModelChoiceField(
        required=False, queryset=Tag.objects.all(), to_field_name="name", empty_label="Any tag"
    )


class TicketListFilter(TicketFilter):
    """The same for people, who also ask who has taken a ticket."""

    taken = forms.ChoiceField(
        required=False, choices=[("", "Anybody"), ("me", "Me"), ("nobody", "Nobody yet")], label="Taken by"
    )
