"""Pages, as the tutorial of Wagtail makes them."""

from django.db import models
from modelcluster.contrib.taggit import ClusterTaggableManager
from modelcluster.fields import ParentalKey
from taggit.models import TaggedItemBase
from wagtail.admin.panels import FieldPanel, InlinePanel
from wagtail.contrib.forms.models import AbstractEmailForm, AbstractFormField
from wagtail.contrib.settings.models import BaseSiteSetting, register_setting
from wagtail.fields import RichTextField
from wagtail.images import get_image_model_string
from wagtail.models import Orderable, Page
from wagtail.search import index
from wagtail.snippets.models import register_snippet


class ArticleTag(TaggedItemBase):
    content_object = ParentalKey("ArticlePage", related_name="tagged_items", on_delete=models.CASCADE)


class ArticlePage(Page):
    body = RichTextField(blank=True)
    picture = models.ForeignKey(get_image_model_string(), null=True, blank=True, on_delete=models.SET_NULL)
    tags = ClusterTaggableManager(through=ArticleTag, blank=True)

    search_fields = [*Page.search_fields, index.SearchField("body")]
    content_panels = [
        *Page.content_panels,
        FieldPanel("body"),
        FieldPanel("picture"),
        FieldPanel("tags"),
        InlinePanel("links"),
    ]


class Link(Orderable):
    page = ParentalKey(ArticlePage, on_delete=models.CASCADE, related_name="links")
    to = models.ForeignKey("wagtailcore.Page", on_delete=models.CASCADE, related_name="+")


class FormPage(AbstractEmailForm):
    content_panels = [*AbstractEmailForm.content_panels, InlinePanel("form_fields")]


class FormField(AbstractFormField):
    page = ParentalKey(FormPage, on_delete=models.CASCADE, related_name="form_fields")


@register_snippet
class Advert(models.Model):
    text = models.CharField(max_length=100)

    panels = [FieldPanel("text")]

    def __str__(self):
        return self.text


@register_setting
class Social(BaseSiteSetting):
    handle = models.CharField(max_length=100, blank=True)
