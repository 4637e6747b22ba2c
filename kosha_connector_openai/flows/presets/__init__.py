"""Small tasks over actions, by data alone: a preset's inputs come in, a typed result with its usage goes out."""

from kosha_connector_openai.core.result.outcome import Policy
from kosha_connector_openai.flows.presets.plans import Progress
from kosha_connector_openai.flows.presets.result import PresetResult
from kosha_connector_openai.flows.presets.runner import PresetInfo, arun_preset, find_preset, list_presets, run_preset

__all__ = ["Policy", "PresetInfo", "PresetResult", "Progress", "arun_preset", "find_preset", "list_presets", "run_preset"]
