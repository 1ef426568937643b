"""Compressed frame -> array: imagecodecs as a plug-in of pydicom's decoders, which do the rest.

pydicom would try whichever of its own plug-ins it finds; the plug-in is named explicitly, so that a result never
depends on what else is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from pydicom.pixels.common import PhotometricInterpretation
from pydicom.pixels.decoders.base import Decoder, DecodeRunner, get_decoder
from pydicom.uid import UID

from edge.geometry import Array
from edge.read.dicom.codestream import read_codestream
from edge.read.dicom.syntaxes import SYNTAXES, Codec

PLUGIN = "edgerun"

DECODER_DEPENDENCIES = {UID(uid): ("imagecodecs",) for uid, syntax in SYNTAXES.items() if syntax.codec != "native"}
"""What pydicom asks of a plug-in: the packages needed for each transfer syntax."""


def is_available(uid: str) -> bool:
    """Return whether the plug-in decodes the transfer syntax; pydicom asks."""
    return uid in DECODER_DEPENDENCIES


def decoder_of(uid: str) -> Decoder:
    """Return pydicom's decoder of a transfer syntax of the table `SYNTAXES`, with the plug-in in place."""
    decoder = get_decoder(UID(uid))
    if not uid_is_native(uid) and PLUGIN not in decoder.available_plugins:
        decoder.add_plugin(PLUGIN, (__name__, "decode_frame"))
    return decoder


def uid_is_native(uid: str) -> bool:
    """Return whether the pixels of a transfer syntax are not compressed one by one."""
    return SYNTAXES[uid].codec == "native"


def decode_frame(frame: bytes, runner: DecodeRunner) -> Array:
    """Decode one frame for pydicom, and tell it how the samples came out.

    Returns
    -------
    ndarray
        C-contiguous; pydicom takes it as a buffer.
    """
    codec = SYNTAXES[runner.transfer_syntax].codec
    decoded = np.ascontiguousarray(DECODERS[codec](frame, runner))
    if decoded.dtype.kind == "i" and runner.pixel_representation == 0 and decoded.min(initial=0) < 0:
        raise ValueError("Negative values in an image of unsigned ones.")  # or they would be taken for large ones
    runner.set_option("planar_configuration", 0)
    runner.set_option("bits_allocated", 8 * decoded.dtype.itemsize)
    return decoded


def _decode_rle(frame: bytes, runner: DecodeRunner) -> Array:
    import imagecodecs  # noqa: PLC0415 - only where a compressed file comes

    size = runner.bits_allocated // 8
    planes = np.frombuffer(imagecodecs.dicomrle_decode(frame, f"<u{size}"), dtype=f"<u{size}")
    count = runner.rows * runner.columns
    by_pixel: Array = planes.reshape(runner.samples_per_pixel, count).T  # any other number of values is damage
    return by_pixel


def _decode_jpeg(frame: bytes, runner: DecodeRunner) -> Array:
    """Any process of JPEG, lossless ones too, without its colour transform: what the samples are is set here."""
    import imagecodecs  # noqa: PLC0415 - only where a compressed file comes

    if runner.samples_per_pixel == 1:
        grey: Array = imagecodecs.jpeg8_decode(frame)
        return grey
    in_rgb = read_codestream(frame, "jpeg").in_rgb
    if in_rgb is not None:
        actual = PhotometricInterpretation.RGB if in_rgb else PhotometricInterpretation.YBR_FULL
        runner.set_option("photometric_interpretation", actual)
    colour: Array = imagecodecs.jpeg8_decode(frame, colorspace="RGB", outcolorspace="RGB")
    return colour


def _decode_jpeg_ls(frame: bytes, runner: DecodeRunner) -> Array:
    import imagecodecs  # noqa: PLC0415 - only where a compressed file comes

    return _channels_last(imagecodecs.jpegls_decode(frame), runner)


def decoded_jpeg_2000(frame: bytes, codec: Codec) -> Array:
    """Return the samples of a checked frame of JPEG 2000 or HTJ2K, as its decoder gives them."""
    import imagecodecs  # noqa: PLC0415 - only where a compressed file comes

    high_throughput = codec == "htj2k" and _has(imagecodecs, "HTJ2K")
    decoded: Array = imagecodecs.htj2k_decode(frame) if high_throughput else imagecodecs.jpeg2k_decode(frame)
    return decoded


def _decode_jpeg_2000(frame: bytes, runner: DecodeRunner) -> Array:
    return _from_jpeg_2000(decoded_jpeg_2000(frame, "jpeg-2000"), runner)


def _decode_htj2k(frame: bytes, runner: DecodeRunner) -> Array:
    return _from_jpeg_2000(decoded_jpeg_2000(frame, "htj2k"), runner)


def _has(imagecodecs: Any, name: str) -> bool:
    """Whether this build of imagecodecs has a codec; releases before mid-2025 have no HTJ2K, but OpenJPEG reads it."""
    return bool(getattr(getattr(imagecodecs, name, None), "available", False))


def _from_jpeg_2000(decoded: Array, runner: DecodeRunner) -> Array:
    """The decoder undoes the reversible and irreversible colour transforms, so the samples are RGB."""
    if runner.photometric_interpretation in (PhotometricInterpretation.YBR_ICT, PhotometricInterpretation.YBR_RCT):
        runner.set_option("photometric_interpretation", PhotometricInterpretation.RGB)
    return _channels_last(decoded, runner)


def _channels_last(decoded: Array, runner: DecodeRunner) -> Array:
    return channels_last(decoded, (runner.rows, runner.columns, runner.samples_per_pixel))


def channels_last(decoded: Array, shape: tuple[int, int, int]) -> Array:
    """Return what a decoder gave with its channels last, where it has them first: (rows, columns, samples)."""
    if shape[2] > 1 and decoded.shape == (shape[2], *shape[:2]) != shape:
        return np.moveaxis(decoded, 0, -1)
    return decoded


DECODERS: Mapping[Codec, Callable[[bytes, DecodeRunner], Array]] = MappingProxyType({
    "rle": _decode_rle,
    "jpeg": _decode_jpeg,
    "jpeg-ls": _decode_jpeg_ls,
    "jpeg-2000": _decode_jpeg_2000,
    "htj2k": _decode_htj2k,
})  # fmt: skip
