"""Every stable code that edgerun can answer with: what happened in plain words, and what to do.

The letter says whose it is, the first digit repeats the exit code: ``R3xx`` reading, ``P4xx`` pack,
``E5xx`` engine, ``C7xx`` a scan refused by a check, ``W8xx`` writing. A code is short enough to be read over a
phone, never changes its meaning, and is never used again once retired.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something was left out, refused or failed.

    Parameters
    ----------
    code : str
        The stable code, such as ``R310``.
    name : str
        The same in words joined by hyphens, for programs and searches.
    words : str
        What happened, for a person who is no programmer.
    action : str
        What that person can do next.
    """

    code: str
    name: str
    words: str
    action: str

    @property
    def refuses(self) -> bool:
        """Whether what it speaks of was not to be trusted (not analysed), rather than impossible (failed)."""
        return self.code.startswith("C") or "R310" <= self.code <= "R399"

    @property
    def grave(self) -> bool:
        """Whether something that could hold a finding was lost; else it is what no model would look at."""
        return self not in (NOT_AN_IMAGE, NO_PIXELS, LOCALISER, SAME_IMAGE_TWICE, NO_LEVEL)


def _reason(code: str, name: str, words: str, action: str) -> Reason:
    return Reason(code=code, name=name, words=words, action=action)


# R3xx: reading -------------------------------------------------------------------------------------------
NOTHING_THERE = _reason(
    "R300",
    "nothing-there",
    "There is no such file or folder, or the folder holds no file.",
    "Check the path, and that the stick or share is mounted.",
)
NOT_AN_IMAGE = _reason(
    "R301",
    "not-an-image",
    "The file is not an image in a format that edgerun reads.",
    "Give DICOM, NIfTI, PNG, JPEG or TIFF files.",
)
DAMAGED = _reason(
    "R302",
    "damaged",
    "The file is damaged or was cut short.",
    "Copy or export it again from where it came from.",
)
TOO_LARGE = _reason(
    "R303",
    "too-large",
    "The file asks for more memory than one scan may take.",
    "If the scan really is that large, raise EDGERUN_SCAN_BYTES; otherwise the file is damaged or hostile.",
)
DECODE_TIMEOUT = _reason(
    "R304",
    "decode-timeout",
    "Decoding the image took too long and was stopped.",
    "Export the image again, uncompressed if possible; the file may be damaged or hostile.",
)
DECODER_DIED = _reason(
    "R305",
    "decoder-died",
    "The image decoder crashed or ran out of memory on this file.",
    "Export the image again, uncompressed if possible; the file may be damaged or hostile.",
)
UNSUPPORTED_COMPRESSION = _reason(
    "R306",
    "unsupported-compression",
    "The image is compressed in a way that edgerun cannot decode.",
    "Export it uncompressed (Explicit VR Little Endian) or as JPEG-LS.",
)
NO_PIXELS = _reason(
    "R307",
    "no-pixels",
    "The file is DICOM but holds no picture.",
    "Nothing to do: reports, directories and plans are left out.",
)
BAD_HEADER = _reason(
    "R308",
    "bad-header",
    "The image header lacks a value that is needed, or holds an impossible one.",
    "Export the image again from the device that made it, and tell its vendor.",
)
NOT_READABLE = _reason(
    "R309",
    "not-readable",
    "The operating system did not let the file be read.",
    "Check the permissions of the file and the health of the disk or stick.",
)
TWO_PATIENTS = _reason(
    "R310",
    "two-patients",
    "The series holds images of more than one patient.",
    "Stop and sort the images by patient at their source.",
)
TWO_FRAMES_OF_REFERENCE = _reason(
    "R311",
    "two-frames-of-reference",
    "The series holds images whose positions cannot be compared.",
    "Send each acquisition as a series of its own.",
)
MIXED_ORIENTATION = _reason(
    "R312",
    "mixed-orientation",
    "The slices of the series point in different directions.",
    "Send each orientation as a series of its own.",
)
TILTED = _reason(
    "R313",
    "tilted",
    "The slices are sheared against each other (gantry tilt), so they are no rectangular volume.",
    "Acquire without tilt, or export a reformatted series.",
)
MISSING_SLICES = _reason(
    "R314",
    "missing-slices",
    "Slices are missing from the series.",
    "Send the series again and wait until it is complete.",
)
DUPLICATE_SLICES = _reason(
    "R315",
    "duplicate-slices",
    "Two images of the series lie at the same place.",
    "Send each phase, echo or repeat as a series of its own.",
)
LOCALISER = _reason(
    "R316",
    "localiser",
    "The image is a localiser (scout), made for planning only.",
    "Nothing to do: localisers are left out.",
)
MIXED_PICTURES = _reason(
    "R317",
    "mixed-pictures",
    "The images of the series differ in size, colour or meaning of their values.",
    "Send each kind of image as a series of its own.",
)
NO_POSITION = _reason(
    "R318",
    "no-position",
    "The slices of the series do not say where they lie in the patient.",
    "Export the original images, not screenshots of them.",
)
UNEVEN_SPACING = _reason(
    "R319",
    "uneven-spacing",
    "The distance between the slices changes within the series.",
    "Reconstruct the series with even spacing.",
)
SEVERAL_STUDIES = _reason(
    "R320",
    "several-studies",
    "The path holds more than one patient or study.",
    "Give one study at a time, or use the command line, which takes them one by one.",
)
SAME_IMAGE_TWICE = _reason(
    "R321",
    "same-image-twice",
    "The same image was found more than once.",
    "Nothing to do: one copy is used.",
)
NOT_A_GRID = _reason(
    "R322",
    "not-a-grid",
    "The position data of the file do not describe a rectangular grid of voxels.",
    "Export the image again from the program that made it.",
)
UNSUPPORTED_PICTURE = _reason(
    "R323",
    "unsupported-picture",
    "The picture is of a kind that cannot be read without guessing: transparent, animated, CMYK or complex numbers.",
    "Export it as a plain grey or RGB picture, or a plain volume.",
)
BAD_NAME = _reason(
    "R324",
    "bad-name",
    "The name of the file, or of a folder that it lies in, is no valid text, so no report could name it.",
    "Rename it, and read it again.",
)
NOT_TILED = _reason(
    "R325",
    "not-tiled",
    "The picture is to be read piece by piece, and is not stored in pieces (tiles).",
    "Export the slide as a tiled TIFF, compressed by JPEG, JPEG 2000, deflate, LZW or not at all, or as DICOM.",
)
NO_LEVEL = _reason(
    "R340",
    "no-level",
    "The picture is of a slide's label or of the whole glass, not of the tissue; a label may show a name.",
    "Nothing is to be done: the slide itself is read without it.",
)
NO_TISSUE = _reason(
    "R341",
    "no-tissue",
    "The slide shows bare glass and no tissue.",
    "Check the slide. If it does show tissue, use a pack that does not skip glass.",
)
REPORT_UNREADABLE = _reason(
    "R345",
    "report-unreadable",
    "The file is no report of edgerun.",
    "Give the report.json of a study, or the folder in which it lies.",
)
REPORT_CHANGED = _reason(
    "R346",
    "report-changed",
    "The report was changed after it was written: what it says cannot be trusted.",
    "Take an untouched copy, or examine the scans again with `edgerun infer`.",
)
FILE_BESIDE_CHANGED = _reason(
    "R347",
    "file-beside-changed",
    "A file that belongs to the report was changed after it was written, or is missing.",
    "Take an untouched copy, or examine the scans again with `edgerun infer`.",
)
SOURCE_GONE = _reason(
    "R348",
    "source-gone",
    "A scan that the report was made from is not where it was.",
    "Bring it back, or name the folder that it lies in now with --scans.",
)
SOURCE_CHANGED = _reason(
    "R349",
    "source-changed",
    "A scan is not the one that the report was made from.",
    "Bring back the original file, or examine this one with `edgerun infer`.",
)
NOT_JUDGED = _reason(
    "R350",
    "not-judged",
    "The object may name someone where nothing here can look: it is a document, raw data or of a private class.",
    "Do not pass it on, or have a person clean it with the program that made it.",
)
SOUND_OR_VIDEO = _reason(
    "R351",
    "sound-or-video",
    "The object holds sound or film, in which a person may be named or shown.",
    "Do not pass it on, or have a person clean it with the program that made it.",
)
BURNED_IN_RISK = _reason(
    "R352",
    "burned-in-risk",
    "Pictures of this kind often have names written in them, and nothing here has looked.",
    "Install what looks (pip install 'edgerun[ocr]'); or look yourself, then use --burned-in keep.",
)
TEXT_BURNED_IN = _reason(
    "R353",
    "text-burned-in",
    "Text was found in the picture.",
    "Look at it; then have the text painted over with --burned-in blank, or leave the file out.",
)
SLIDE_LABEL = _reason(
    "R354",
    "slide-label",
    "The picture shows the label of a slide, which often bears a name or number, sometimes in handwriting.",
    "Do not pass it on; the slide itself is handed on without it.",
)
NOT_NAMED = _reason(
    "R355",
    "not-named",
    "The object does not say what it is, or to which study and series it belongs.",
    "Export it again from where it came from.",
)
A_DIRECTORY = _reason(
    "R356",
    "a-directory",
    "The file is a directory of other files (DICOMDIR), which names their patients.",
    "Nothing is to be done: whoever needs one makes it anew for the new files.",
)
NOT_DICOM = _reason(
    "R357",
    "not-dicom",
    "The file is no DICOM; nothing can tell what it says of a patient, so it was not copied.",
    "Look at it yourself before you pass it on.",
)
OTHER_BY_SAME_UID = _reason(
    "R358",
    "other-by-same-uid",
    "Another object with the same UID was handed on already, so this one was not.",
    "Find out at its source which of the two is right; UIDs must be unique.",
)
NO_TEXT_FINDER = _reason(
    "R370",
    "no-text-finder",
    "What finds text that is burned into pictures is not installed, or is another version than was measured.",
    "Install it (pip install 'edgerun[ocr]'), or look at every picture yourself before you pass it on.",
)
TEXT_FINDER_FAILED = _reason(
    "R371",
    "text-finder-failed",
    "What finds text that is burned into pictures failed.",
    "Run the same command again with less else running; if it stays so, look at the pictures yourself.",
)
TEXT_NOT_BLANKED = _reason(
    "R372",
    "text-not-blanked",
    "Text was found in a picture whose kind of pixels cannot be blanked.",
    "Do not pass the file on. Export it again from where it came from, without text in the picture.",
)
MOSTLY_TEXT = _reason(
    "R373",
    "mostly-text",
    "So much of the picture looks like text that it is more likely a document or a picture of a screen.",
    "Do not pass the file on without a look at it; a document has to be cleaned by a person.",
)

# P4xx: the pack ------------------------------------------------------------------------------------------
NO_PACK = _reason(
    "P400",
    "no-pack",
    "There is no model pack by that name or at that place.",
    "See `edgerun pack list` for those that are installed.",
)
BAD_MANIFEST = _reason(
    "P401",
    "bad-manifest",
    "The description of the model pack (manifest.json) is not valid.",
    "Get the pack again from its maker; it cannot be used as it is.",
)
WRONG_VERSION = _reason(
    "P402",
    "wrong-version",
    "The model pack is written for another version of edgerun.",
    "Update edgerun, or get the pack for this version.",
)
MISSING_FILE = _reason(
    "P403",
    "missing-file",
    "A file of the model pack is missing or is not a plain file inside it.",
    "Copy the whole pack again.",
)
HASH_MISMATCH = _reason(
    "P404",
    "hash-mismatch",
    "A file of the model pack is not the one that its maker described.",
    "Do not use it. Copy the pack again from a source that you trust.",
)
UNSAFE_MODEL = _reason(
    "P405",
    "unsafe-model",
    "The model file uses something that a pack may not contain.",
    "Ask the maker of the pack to convert the model with edgerun-convert.",
)
NO_PRECISION = _reason(
    "P406",
    "no-precision",
    "The pack has no model for the precision and the engine that are wanted.",
    "Choose one that it has, with --precision and --engine; `edgerun engines` tells how to get one that is missing.",
)
MODEL_MISMATCH = _reason(
    "P407",
    "model-mismatch",
    "The model's inputs or outputs are not those that the pack describes.",
    "Get the pack again from its maker; it cannot be used as it is.",
)
GOLDEN_FAILED = _reason(
    "P408",
    "golden-failed",
    "The model does not give its known answers on this machine.",
    "Do not use it here. Report the machine and the versions that `edgerun pack check` prints.",
)
UNSUPPORTED_INPUT = _reason(
    "P409",
    "unsupported-input",
    "The pack needs scans in a combination that this version cannot examine yet.",
    "Update edgerun, or get a pack for this version.",
)
UNPROVEN_PRECISION = _reason(
    "P410",
    "unproven-precision",
    "It is not proven that this precision is as good as the full one: too few scans were at hand to tell.",
    "Use --precision auto, which takes only what is proven.",
)
PROVEN_HERE_ONLY = _reason(
    "P411",
    "proven-here-only",
    "This engine was proven on this machine by the pack's known answers alone, not by its maker's gate.",
    "Use --engine onnxruntime for the engine that was judged.",
)
TOO_FEW_LABELLED = _reason(
    "P412",
    "too-few-labelled",
    "There are too few labelled scans of this site to set a threshold by.",
    "Label more scans, each with the truth that was found later, and run `edgerun calibrate` again.",
)
SITE_THRESHOLD_NOT_USED = _reason(
    "P413",
    "site-threshold-not-used",
    "The threshold that was set at this site is not used: it was set for another pack, precision or engine.",
    "Run `edgerun calibrate` again for what runs now, or remove the old threshold with --remove.",
)
SITE_THRESHOLD_DAMAGED = _reason(
    "P414",
    "site-threshold-damaged",
    "The file with the threshold of this site is damaged, was changed by hand, or others may write to it.",
    "Remove it with `edgerun calibrate PACK --remove`, then set the threshold again.",
)
SITE_SCANS_UNFIT = _reason(
    "P415",
    "site-scans-unfit",
    "The labelled scans of this site do not show where a threshold should be.",
    "Do not move the threshold. Ask why the scans were refused, or why the model does not tell them apart.",
)
GOLDEN_NOT_RUN = _reason(
    "P416",
    "golden-not-run",
    "It was never checked on this computer that the model gives its known answers.",
    "Have `edgerun prepare` run once for this pack on this computer; until then look twice at each result.",
)

# E5xx: the engine ----------------------------------------------------------------------------------------
NO_ENGINE = _reason(
    "E500",
    "no-engine",
    "The engine that was asked for is not installed or cannot run here.",
    "Choose another with --engine, or install what it needs.",
)
ENGINE_OPEN = _reason(
    "E501",
    "engine-open",
    "The engine could not load the model.",
    "Run `edgerun pack check` on the pack and report what it prints.",
)
ENGINE_RUN = _reason(
    "E502",
    "engine-run",
    "The engine failed while it ran the model.",
    "Try again; if it fails again, report the scan's format and the versions in the message.",
)
BAD_OUTPUT = _reason(
    "E503",
    "bad-output",
    "The model gave values that are no numbers or out of their range.",
    "Do not use this result. Run `edgerun pack check` on the pack.",
)
GPU_LOST = _reason(
    "E504",
    "gpu-lost",
    "The GPU that this pack was prepared for is not there or does not answer.",
    "Check its power and its driver, or run with --allow-slower.",
)
ENGINE_NOT_PREPARED = _reason(
    "E505",
    "engine-not-prepared",
    "The engine has to be prepared for this model on this machine first.",
    "Run `edgerun prepare` with the pack.",
)
CACHE_UNSAFE = _reason(
    "E506",
    "cache-unsafe",
    "The folder for prepared models is not one that only you can write to.",
    "Remove it and run `edgerun prepare` again, or set EDGERUN_CACHE to a folder of your own.",
)
NOT_REPLAYED = _reason(
    "E507",
    "not-replayed",
    "The same question did not get the same answer again.",
    "Do not rely on either answer. Run `edgerun pack check` here, and keep both reports for the maker of the pack.",
)

# C7xx: the scan is refused -------------------------------------------------------------------------------
NO_PACK_FITS = _reason(
    "C700",
    "no-pack-fits",
    "No installed model pack is made for this kind of scan.",
    "Install a pack for it, or name one with --pack to see why it refuses.",
)
SEVERAL_PACKS_FIT = _reason(
    "C701",
    "several-packs-fit",
    "More than one installed model pack is made for this kind of scan.",
    "Choose one with --pack.",
)
WRONG_MODALITY = _reason(
    "C702",
    "wrong-modality",
    "The scan was made by another kind of machine than the model is made for.",
    "Use a pack made for this kind of scan.",
)
UNKNOWN_MODALITY = _reason(
    "C703",
    "unknown-modality",
    "The scan does not say which kind of machine made it.",
    "If you are certain, say so with --confirm modality=..., and your word goes into the report.",
)
WRONG_BODY_PART = _reason(
    "C704",
    "wrong-body-part",
    "The scan shows another part of the body than the model is made for.",
    "Use a pack made for this part of the body.",
)
UNKNOWN_BODY_PART = _reason(
    "C705",
    "unknown-body-part",
    "The scan does not say which part of the body it shows.",
    "If you are certain, say so with --confirm body-part=..., and your word goes into the report.",
)
WRONG_VIEW = _reason(
    "C706",
    "wrong-view",
    "The picture was taken from another side than the model is made for.",
    "Use a picture from the side that the pack names.",
)
UNKNOWN_VIEW = _reason(
    "C707",
    "unknown-view",
    "The picture does not say from which side it was taken.",
    "If you are certain, say so with --confirm view=..., and your word goes into the report.",
)
WRONG_AGE = _reason(
    "C708",
    "wrong-age",
    "The patient's age is outside the range that the model was made for.",
    "Use a pack made for this age.",
)
UNKNOWN_AGE = _reason(
    "C709",
    "unknown-age",
    "The scan does not give the patient's age, and the model is made for some ages only.",
    "Check that the patient's age fits the model before you use the result.",
)
WRONG_COLOUR = _reason(
    "C710",
    "wrong-colour",
    "The model wants a grey picture and this one is in colour, or the reverse.",
    "Export the original picture, not a screenshot or a colour copy.",
)
WRONG_STACK = _reason(
    "C711",
    "wrong-stack",
    "The model wants a single picture and this is a series, or the reverse.",
    "Give the kind of scan that the pack names.",
)
BLANK = _reason(
    "C712",
    "blank",
    "The picture is blank: every point has the same value.",
    "Take or export the picture again.",
)
ARCHITECTURE_ONLY = _reason(
    "C713",
    "architecture-only",
    "The pack holds an untrained model, for testing speed only; its answers mean nothing.",
    "Use a pack whose status is `trained`.",
)
DERIVED_PICTURE = _reason(
    "C714",
    "derived-picture",
    "The picture is a secondary capture (a screenshot or a scan of paper), not an original.",
    "Send the original picture from the machine that made it.",
)
TOO_SMALL = _reason(
    "C715",
    "too-small",
    "The picture has fewer points than the model needs.",
    "Send the original picture, not a thumbnail.",
)
CONSTANT_MAP = _reason(
    "C716",
    "constant-map",
    "The model's influence map is the same everywhere, so it explains nothing; it is not drawn.",
    "Judge the score without a map.",
)

NOT_NUMBERS = _reason(
    "C717",
    "not-numbers",
    "The scan holds values that are no numbers.",
    "Export the scan again from the program that made it.",
)
WRONG_UNIT = _reason(
    "C718",
    "wrong-unit",
    "The values of the scan are not in the unit that the model is made for.",
    "Send the original series from the machine that made it, not a copy with other values.",
)
NO_SUV = _reason(
    "C719",
    "no-suv",
    "The PET series does not tell, or contradicts itself in, what a standardised uptake value (SUV) is computed from.",
    "Send the original series with weight, dose and times; those who made it can put right what was entered wrongly.",
)
NO_FIELD = _reason(
    "C720",
    "no-field",
    "The round field of view of a fundus camera was not found in the picture.",
    "Send the original picture from the camera, with its dark surround.",
)
NO_SECTOR = _reason(
    "C721",
    "no-sector",
    "The part of the ultrasound picture that shows the patient was not found.",
    "Send the original clip from the machine, with its regions described.",
)
NO_COMMON_PLACE = _reason(
    "C722",
    "no-common-place",
    "The model needs several scans in one place of the patient, and these do not tell where they lie to each other.",
    "Send the original series of one examination, not pictures made from them.",
)
ROLE_MISSING = _reason(
    "C723",
    "role-missing",
    "The model needs several scans of a patient, and one of them was not found.",
    "Send the missing series too, or name it with --scan ROLE=FILE.",
)
ROLE_AMBIGUOUS = _reason(
    "C724",
    "role-ambiguous",
    "The model needs several scans of a patient, and more than one could be meant.",
    "Name the one that is meant with --scan ROLE=FILE.",
)
FOLDED = _reason(
    "C725",
    "folded",
    "The registration turns space inside out in places: what it says there is wrong.",
    "Do not rely on it there; look at the two scans side by side.",
)
NOT_NEEDED = _reason(
    "C726",
    "not-needed",
    "The model needs several scans of a patient, and this is none of them.",
    "Nothing, unless it is one of them: then name it with --scan ROLE=FILE.",
)
UNKNOWN_SPACING = _reason(
    "C727",
    "unknown-spacing",
    "The model needs to know how far apart the points of the scan lie, and the files do not tell.",
    "Send the original series, not a picture made from it.",
)
NOT_ENOUGH_MEMORY = _reason(
    "C728",
    "not-enough-memory",
    "This machine has too little memory for a scan of this size with this model.",
    "Use a machine with more memory, or a pack for coarser scans.",
)

PART_SEEN = _reason(
    "C729",
    "part-seen",
    "The model saw only a part of the scan: nothing was looked for in the rest.",
    "Look at the whole scan; the result says nothing of what the model did not see.",
)
INVERTED = _reason(
    "C730",
    "inverted",
    "The picture is stored with black for high values, and the pack does not say that it can be turned.",
    "Send it as MONOCHROME2, or ask the maker of the pack for the step monochrome2.",
)
NEEDS_WINDOWS = _reason(
    "C731",
    "needs-windows",
    "The picture is so large that it can only be seen piece by piece, and the model is made to see a picture at once.",
    "Use a pack that sees pictures in windows, or export the region of interest as a picture of its own.",
)
BOXES_OUTSIDE = _reason(
    "C732",
    "boxes-outside",
    "The model marked places that lie outside the picture, in what was filled up around it; they are left out.",
    "Look at the whole picture with care: a model that marks what is not there may miss what is.",
)
UNKNOWN_LENGTHS = _reason(
    "C733",
    "unknown-lengths",
    "The file does not say in which unit its lengths are, so no length, area or volume is given.",
    "If you are certain that they are millimetres, say so with --confirm spacing=mm; your word goes into the report.",
)
MORE_BOXES = _reason(
    "C734",
    "more-boxes",
    "The model marked more places than its pack keeps: those of which it was least sure are left out.",
    "Do not count the boxes, and look at the whole picture with care: there are more places than are shown.",
)
WRONG_LATERALITY = _reason(
    "C735",
    "wrong-laterality",
    "The picture shows another side of the body than the model is made for.",
    "Use a picture of the side that the pack names.",
)
UNKNOWN_LATERALITY = _reason(
    "C736",
    "unknown-laterality",
    "The picture does not say which side of the body it shows, left or right.",
    "If you are certain, say so with --confirm laterality=..., and your word goes into the report.",
)
WRONG_TECHNIQUE = _reason(
    "C737",
    "wrong-technique",
    "The scan was made in another way than the model is made for.",
    "Make it, or have it reconstructed, as the pack asks; or use a pack made for this way.",
)
UNKNOWN_TECHNIQUE = _reason(
    "C738",
    "unknown-technique",
    "The scan does not say how it was made, and the model is made for some ways only.",
    "Send the original; or, if you are certain, vouch for what is missing with --confirm.",
)
LOSSY = _reason(
    "C739",
    "lossy",
    "The picture is, or once was, compressed in a way that loses detail.",
    "Send the original picture as the machine made it.",
)
BURNED_IN = _reason(
    "C740",
    "burned-in",
    "Text or marks are burned into the picture, where the model may take them for something else.",
    "Send the original picture without them; look with care at what lies below them.",
)
TOO_FEW_BITS = _reason(
    "C741",
    "too-few-bits",
    "The picture holds fewer shades than the model needs.",
    "Send the original picture, not a copy with fewer bits.",
)
CONSTANT_OUTPUT = _reason(
    "C742",
    "constant-output",
    "The model gave one and the same value everywhere, which is no answer.",
    "Do not use this result. Run `edgerun pack check` on the pack.",
)
SATURATED = _reason(
    "C743",
    "saturated",
    "Much of the picture is plain black or white: what was there is lost.",
    "Export the picture again with its whole range of values, or take it again.",
)
CROPPED = _reason(
    "C744",
    "cropped",
    "Much of the picture is a plain border, so that the patient is shown small.",
    "Send the picture without its border, cut to what was exposed.",
)
SEVERAL_FILMS = _reason(
    "C745",
    "several-films",
    "The picture seems to hold several films side by side or one above the other.",
    "Send each film as a picture of its own.",
)
NEGATIVE = _reason(
    "C746",
    "negative",
    "The picture seems to be a negative: what should be bright is dark.",
    "Send it as the machine made it, or have whoever exports it put (0028,0004) Photometric Interpretation right.",
)
TURNED = _reason(
    "C747",
    "turned",
    "The picture seems to lie on its side or upside down.",
    "Turn it upright where it was made, and send it again.",
)
MIRRORED = _reason(
    "C748",
    "mirrored",
    "The picture seems to be mirrored, left for right; or the patient's organs are.",
    "Compare it with the side marker on the film and with the patient before you use the result.",
)
UNLIKE = _reason(
    "C749",
    "unlike",
    "The picture looks, in no position, like those that the model is made for.",
    "Make sure that it shows what the pack is made for, whole and well exposed.",
)

FAR_FROM_LEARNT = _reason(
    "C750",
    "far-from-learnt",
    "To the model the scan looks like none of those that it learnt from, so its answer would be a guess.",
    "Check that it is the kind of scan that the pack is made for, upright and whole; have it read without the model.",
)
LESS_FAMILIAR = _reason(
    "C751",
    "less-familiar",
    "To the model the scan looks less familiar than nearly all of those that it learnt from.",
    "Trust the result less, and read the scan with care.",
)
UNUSUALLY_UNSURE = _reason(
    "C752",
    "unusually-unsure",
    "The model is less sure of any answer than on nearly all scans like those that it learnt from.",
    "Trust the result less, and read the scan with care.",
)

NOT_EXPLAINED = _reason(
    "C755",
    "not-explained",
    "Where the score comes from cannot be shown for this model in the way that was asked for.",
    "Judge the result without a map.",
)
UNFAITHFUL_MAP = _reason(
    "C756",
    "unfaithful-map",
    "Hiding what the influence map marks does not clearly change the score more than hiding the rest; it is not drawn.",
    "Judge the score without a map; it may rest on the picture as a whole.",
)

LABELS_ELSEWHERE = _reason(
    "C760",
    "labels-elsewhere",
    "The labels do not lie on the voxels of the scan that they are said to belong to.",
    "Give the labels that were drawn on this very scan, in its own voxels.",
)
NOT_LABELS = _reason(
    "C761",
    "not-labels",
    "The file of labels holds no labels: they are whole numbers, 0 for none.",
    "Check that it is the labels that were given, and not the scan itself or a map of probabilities.",
)
LABEL_LOST = _reason(
    "C762",
    "label-lost",
    "A label of the moving scan has no voxel left on the fixed one.",
    "Look at both scans: it may lie outside the fixed one, or be thinner than its voxels.",
)

GLASS_SKIPPED = _reason(
    "C763",
    "glass-skipped",
    "Parts of the slide that show bare glass were not shown to the model, as the pack asks for.",
    "Nothing is to be done, unless the tissue is very pale or lies in tiny specks: then look at the whole slide.",
)

BOX_BEYOND = _reason(
    "C764",
    "box-beyond",
    "A true box of the table reaches beyond the scan that it is said to be in.",
    "Check the unit of its numbers, and that it was drawn in this very scan. The row is in no figure.",
)
TRUTH_UNREADABLE = _reason(
    "C765",
    "truth-unreadable",
    "A true mask of the table cannot be read, or is no single picture or volume.",
    "Open it in another program and write it again, as NIfTI or PNG. The row is in no figure.",
)
NOT_COMPARED = _reason(
    "C766",
    "not-compared",
    "What the model drew cannot be compared with the truth: it lies on other pixels than those of the scan.",
    "Slides that are seen in windows are not compared yet.",
)

# W8xx: writing -------------------------------------------------------------------------------------------
CANNOT_WRITE = _reason(
    "W800",
    "cannot-write",
    "The result could not be written.",
    "Check that the folder exists, may be written to and is not on a read-only stick.",
)
DISK_FULL = _reason(
    "W801",
    "disk-full",
    "The disk is full; the result was not written.",
    "Free some space and run the same command again: what is done already is not done twice.",
)
VIEW_NOT_INSTALLED = _reason(
    "W802",
    "view-not-installed",
    "What writes this kind of file is not installed.",
    "Install what is named, or ask for other files with --write or --for.",
)
WRONG_PLACE = _reason(
    "W803",
    "wrong-place",
    "What was written does not lie in the patient where it was found, so it was withheld.",
    "Do not use this result. Keep the report and send it to whoever looks after edgerun.",
)
OBJECT_NOT_MADE = _reason(
    "W804",
    "object-not-made",
    "A DICOM object could not be made from the result.",
    "Run the same command again; if it stays so, ask for other files with --write, such as overlay.",
)
REGISTER_NOT_OURS = _reason(
    "W805",
    "register-not-ours",
    "The register in the folder of results has other columns than edgerun writes, so it was not replaced.",
    "Move register.csv elsewhere and run the same command again: what is done already is not done twice.",
)

REASONS: dict[str, Reason] = {value.code: value for value in list(globals().values()) if isinstance(value, Reason)}
