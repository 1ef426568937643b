"""The workshop: a trained model becomes a small, fast pack that is provably no worse.

The way of a model, and where each part of it stands::

    model -> sources -> export -> optimise -> half, quantise, lower -> gate -> assemble -> pack

    road         the whole way on one page: start there
    sources      ONNX, TorchScript, modules, MONAI bundles and recipes, each to one checked ONNX file
    recipes      networks that edgerun knows by name, with their descriptions
    describe     the clinical part: ``pack.toml``
    export       PyTorch to ONNX
    optimise     a float graph made ready for every other step
    cam          class activation maps
    quantise     static INT8; `lower` makes it fast and right on each engine; `half` is FP16
    search       which layers INT8 hurts, and models that give them back to float
    candidates   the files to be judged, and the search's trail
    labels       the tables that say what is true of scans; `true_boxes` and `landmarks` are what they name
    cases        which files belong to one examination; `reading` makes scans of them
    measure      what candidates say, through the whole runtime, each in a process of its own; `collect` compares
    gate         whether a candidate is no worse, by bootstrap, in what a clinic cares about
    tune         thresholds, anew for every candidate; `calibration` is how far scores are to be believed
    build        make, tune, judge
    report       the conversion report as one HTML file; `card` is the model card
    outputs      what a conversion leaves behind
    work         what an interrupted conversion has done already
    cli          the command `edgerun-convert`
"""
