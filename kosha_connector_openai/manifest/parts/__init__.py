"""The closed models of the manifest's parts, one module each: what a provider's author writes in ``connector/*.yaml``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kosha_connector_openai._face import face

if TYPE_CHECKING:
    from kosha_connector_openai.manifest.parts.forms import ActionForm as ActionForm
    from kosha_connector_openai.manifest.parts.forms import FieldForm as FieldForm
    from kosha_connector_openai.manifest.parts.forms import FormsPart as FormsPart
    from kosha_connector_openai.manifest.parts.forms import GroupName as GroupName
    from kosha_connector_openai.manifest.parts.forms import Source as Source
    from kosha_connector_openai.manifest.parts.forms import Visibility as Visibility
    from kosha_connector_openai.manifest.parts.forms import Widget as Widget
    from kosha_connector_openai.manifest.parts.jobs import End as End
    from kosha_connector_openai.manifest.parts.jobs import File as File
    from kosha_connector_openai.manifest.parts.jobs import Hint as Hint
    from kosha_connector_openai.manifest.parts.jobs import Items as Items
    from kosha_connector_openai.manifest.parts.jobs import JobKind as JobKind
    from kosha_connector_openai.manifest.parts.jobs import JobsPart as JobsPart
    from kosha_connector_openai.manifest.parts.jobs import Lines as Lines
    from kosha_connector_openai.manifest.parts.jobs import Poll as Poll
    from kosha_connector_openai.manifest.parts.jobs import Text as Text
    from kosha_connector_openai.manifest.parts.jobs import UploadKind as UploadKind
    from kosha_connector_openai.manifest.parts.jobs import Value as Value
    from kosha_connector_openai.manifest.parts.models import FactSource as FactSource
    from kosha_connector_openai.manifest.parts.models import Models as Models
    from kosha_connector_openai.manifest.parts.models import Retirement as Retirement
    from kosha_connector_openai.manifest.parts.models import Rule as Rule
    from kosha_connector_openai.manifest.parts.names import PARTS as PARTS
    from kosha_connector_openai.manifest.parts.outputs import AnyField as AnyField
    from kosha_connector_openai.manifest.parts.outputs import BodyField as BodyField
    from kosha_connector_openai.manifest.parts.outputs import Bound as Bound
    from kosha_connector_openai.manifest.parts.outputs import CountField as CountField
    from kosha_connector_openai.manifest.parts.outputs import FileField as FileField
    from kosha_connector_openai.manifest.parts.outputs import FinalEvent as FinalEvent
    from kosha_connector_openai.manifest.parts.outputs import ListField as ListField
    from kosha_connector_openai.manifest.parts.outputs import MergeEvents as MergeEvents
    from kosha_connector_openai.manifest.parts.outputs import NamesField as NamesField
    from kosha_connector_openai.manifest.parts.outputs import OutputField as OutputField
    from kosha_connector_openai.manifest.parts.outputs import OutputsPart as OutputsPart
    from kosha_connector_openai.manifest.parts.outputs import ParsedField as ParsedField
    from kosha_connector_openai.manifest.parts.outputs import Shape as Shape
    from kosha_connector_openai.manifest.parts.outputs import StreamFold as StreamFold
    from kosha_connector_openai.manifest.parts.outputs import TextField as TextField
    from kosha_connector_openai.manifest.parts.outputs import TimeField as TimeField
    from kosha_connector_openai.manifest.parts.outputs import UsageName as UsageName
    from kosha_connector_openai.manifest.parts.outputs import ValueField as ValueField
    from kosha_connector_openai.manifest.parts.outputs import VectorsField as VectorsField
    from kosha_connector_openai.manifest.parts.paging import ListRule as ListRule
    from kosha_connector_openai.manifest.parts.paging import PageForm as PageForm
    from kosha_connector_openai.manifest.parts.paging import Paging as Paging
    from kosha_connector_openai.manifest.parts.pickers import FieldPicker as FieldPicker
    from kosha_connector_openai.manifest.parts.pickers import Picker as Picker
    from kosha_connector_openai.manifest.parts.pickers import Pickers as Pickers
    from kosha_connector_openai.manifest.parts.relay import RelayRules as RelayRules
    from kosha_connector_openai.manifest.parts.tasks import FileRule as FileRule
    from kosha_connector_openai.manifest.parts.tasks import Input as Input
    from kosha_connector_openai.manifest.parts.tasks import Rank as Rank
    from kosha_connector_openai.manifest.parts.tasks import Split as Split
    from kosha_connector_openai.manifest.parts.tasks import StrictRules as StrictRules
    from kosha_connector_openai.manifest.parts.tasks import TaskRules as TaskRules
    from kosha_connector_openai.manifest.parts.tasks import Tasks as Tasks
    from kosha_connector_openai.manifest.parts.tasks import step as step
    from kosha_connector_openai.manifest.parts.triggers import Delivery as Delivery
    from kosha_connector_openai.manifest.parts.triggers import EventKind as EventKind
    from kosha_connector_openai.manifest.parts.triggers import FollowUp as FollowUp
    from kosha_connector_openai.manifest.parts.triggers import PollRule as PollRule
    from kosha_connector_openai.manifest.parts.triggers import Triggers as Triggers
else:
    __getattr__, __all__ = face(
        __name__,
        {
            "forms": "ActionForm FieldForm FormsPart GroupName Source Visibility Widget",
            "jobs": "End File Hint Items JobKind JobsPart Lines Poll Text UploadKind Value",
            "models": "FactSource Models Retirement Rule",
            "names": "PARTS",
            "outputs": "AnyField BodyField Bound CountField FileField FinalEvent ListField MergeEvents NamesField "
            "OutputField OutputsPart ParsedField Shape StreamFold TextField TimeField UsageName ValueField VectorsField",
            "paging": "ListRule PageForm Paging",
            "pickers": "FieldPicker Picker Pickers",
            "relay": "RelayRules",
            "tasks": "FileRule Input TaskRules Tasks Rank Split StrictRules step",
            "triggers": "Delivery EventKind FollowUp PollRule Triggers",
        },
    )
