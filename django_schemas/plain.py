# ruff: noqa: F405, RUF022  # All of these come by the star.
"""All of `django.db.models` but `Model`, which `models` has one of its own of.

Type checkers read names only where they are written down, and of two of one name they take the first.
"""

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import *  # noqa: F403

__all__ = ["Aggregate", "AnyValue", "AutoField", "Avg", "BLANK_CHOICE_DASH", "BLANK_CHOICE_LABEL"]
__all__ += ["BaseConstraint", "BigAutoField", "BigIntegerField", "BinaryField", "BitAnd", "BitOr", "BitXor"]
__all__ += ["BooleanField", "CASCADE", "Case", "CharField", "CheckConstraint", "Choices"]
__all__ += ["CommaSeparatedIntegerField", "CompositePrimaryKey", "Count", "DB_CASCADE", "DB_SET_DEFAULT"]
__all__ += ["DB_SET_NULL", "DEFERRED", "DO_NOTHING", "DateField", "DateTimeField", "DecimalField", "Deferrable"]
__all__ += ["DurationField", "EmailField", "Empty", "Exists", "Expression", "ExpressionList"]
__all__ += ["ExpressionWrapper", "F", "FETCH_ONE", "FETCH_PEERS", "FETCH_RAISE", "Field", "FileField"]
__all__ += ["FilePathField", "FilteredRelation", "FloatField", "ForeignKey", "ForeignObject"]
__all__ += ["ForeignObjectRel", "Func", "GeneratedField", "GenericIPAddressField", "IPAddressField"]
__all__ += ["ImageField", "Index", "IntegerChoices", "IntegerField", "JSONField", "JSONNull", "Lookup"]
__all__ += ["Manager", "ManyToManyField", "ManyToManyRel", "ManyToOneRel", "Max", "Min", "NOT_PROVIDED"]
__all__ += ["NullBooleanField", "ObjectDoesNotExist", "OneToOneField", "OneToOneRel", "OrderBy", "OrderWrt"]
__all__ += ["OuterRef", "PROTECT", "PositiveBigIntegerField", "PositiveIntegerField"]
__all__ += ["PositiveSmallIntegerField", "Prefetch", "ProtectedError", "Q", "QuerySet", "RESTRICT"]
__all__ += ["RestrictedError", "RowRange", "SET", "SET_DEFAULT", "SET_NULL", "SlugField", "SmallAutoField"]
__all__ += ["SmallIntegerField", "StdDev", "StringAgg", "Subquery", "Sum", "TextChoices", "TextField"]
__all__ += ["TimeField", "Transform", "URLField", "UUIDField", "UniqueConstraint", "Value", "ValueRange"]
__all__ += ["Variance", "When", "Window", "WindowFrame", "WindowFrameExclusion", "aprefetch_related_objects"]
__all__ += ["prefetch_related_objects", "signals"]

if not TYPE_CHECKING:
    __all__ = [name for name in models.__all__ if name != "Model"]
