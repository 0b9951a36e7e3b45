"""The pages of the public site. No page here reads a tenant's schema; sign-up writes one."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.generic import FormView, TemplateView

from tenancy.exceptions import TenancyError, TenantExists

from ..workspace import address
from .forms import FindForm, SignUpForm
from .signup import open_help_desk


class LandingView(TemplateView):
    """What the product is, and what it costs."""

    template_name = "website/landing.html"


class SignUpView(FormView):
    """A form that makes a tenant and sends its owner to the log-in page there."""

    form_class = SignUpForm
    template_name = "website/signup.html"

    def get_initial(self) -> dict[str, str]:
        return {"plan": self.request.GET.get("plan", "")}

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        try:
            tenant = open_help_desk(**form.cleaned_data)
        except TenantExists:
            form.add_error("subdomain", "This address is taken. Please choose another one.")
        except ValidationError as error:
            form.add_error("subdomain", error.messages)
        except TenancyError:
            form.add_error(None, "Your help desk could not be opened just now. We are looking into it.")
        else:
            return HttpResponseRedirect(log_in_address(self.request, tenant.slug, "?new"))
        return self.form_invalid(form)


class FindView(FormView):
    """A form that leads to the log-in page of one's help desk. Whether it exists is that host's to say."""

    form_class = FindForm
    template_name = "website/find.html"

    def form_valid(self, form: FindForm) -> HttpResponse:
        return HttpResponseRedirect(log_in_address(self.request, form.cleaned_data["subdomain"]))


def log_in_address(request: HttpRequest, slug: str, query: str = "") -> str:
    """Return the URL of a tenant's log-in page."""
    path = reverse("login", urlconf="example_project.urls_tenant")
    return address(request, f"{slug}.{settings.BASE_DOMAIN}", path + query)
