"""What a model's makers tell about it, for the draft of a description; none of it is taken for true."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InputHint:
    """An input, as its makers describe it.

    Parameters
    ----------
    sizes : tuple
        Channels, then the sizes of the picture; a text where a size is left open, such as ``8*n``.
    modality : str
        In the makers' words.
    value_range : tuple of float, optional
        Of what the model is fed.
    channel_names : tuple of str
    """

    name: str
    sizes: tuple[int | str, ...] = ()
    modality: str = ""
    value_range: tuple[float, float] | None = None
    channel_names: tuple[str, ...] = ()

    @property
    def known(self) -> bool:
        """Whether every size is a number."""
        return bool(self.sizes) and all(isinstance(size, int) for size in self.sizes)

    @property
    def channels(self) -> int:
        """Number of channels, 0 where it is left open."""
        return self.sizes[0] if self.sizes and isinstance(self.sizes[0], int) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputHint:
    """An output, and what its channels mean."""

    name: str
    channel_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """Words and numbers of a model's makers; empty where they tell nothing."""

    version: str = ""
    title: str = ""
    intended_use: str = ""
    limits: str = ""
    credits: tuple[str, ...] = ()
    inputs: tuple[InputHint, ...] = ()
    outputs: tuple[OutputHint, ...] = ()
