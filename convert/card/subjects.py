"""Every file on every engine that a card tells of: those of the pack, and those that were built and left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from convert.document import CandidateTold, Conversion
from convert.gate.judge import Judgement, Verdict
from edge.pack.manifest import Evidence, Manifest, Model, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One file on one engine.

    Parameters
    ----------
    model : Model, optional
        Its entry in the manifest; None where it was left out of the pack.
    told : CandidateTold, optional
        What the conversion tells of it.
    evidence : tuple of Evidence
        Of both, each figure once.
    """

    precision: Precision
    engine: str
    model: Model | None
    told: CandidateTold | None
    evidence: tuple[Evidence, ...]

    @property
    def name(self) -> str:
        """Such as ``int8 on onnxruntime``."""
        return f"{self.precision} on {self.engine}"

    @property
    def in_pack(self) -> bool:
        """Whether the runtime can choose it."""
        return self.model is not None

    @property
    def whose(self) -> str:
        """Its name, with a warning where it is in no pack."""
        return self.name if self.in_pack else f"{self.name} (not in the pack)"

    @property
    def judgement(self) -> Judgement | None:
        """What its verdict rests on."""
        return self.told.judgement if self.told else None

    @property
    def verdict(self) -> Literal["reference"] | Verdict:
        """The gate's word, or, where the conversion does not tell of it, the manifest's."""
        if self.told is None and self.model is not None:
            return self.model.verdict
        return self.judgement.verdict if self.judgement else "reference"


def subjects(conversion: Conversion, manifest: Manifest) -> tuple[Subject, ...]:
    """Return all, in the conversion's order, then those that only the manifest knows."""
    models = {(model.precision, engine): model for model in manifest.models for engine in model.engines}
    told = {(item.precision, item.engine): item for item in conversion.candidates}
    return tuple(
        Subject(
            precision=key[0],
            engine=key[1],
            model=models.get(key),
            told=told.get(key),
            evidence=_evidence(key, told.get(key), manifest),
        )
        for key in dict.fromkeys([*told, *models])
    )


def _evidence(key: tuple[str, str], told: CandidateTold | None, manifest: Manifest) -> tuple[Evidence, ...]:
    own = told.evidence if told else ()
    return tuple(dict.fromkeys([*own, *(row for row in manifest.evidence if (row.precision, row.engine) == key)]))
