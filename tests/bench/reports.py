"""Reports of benches that nobody ran, with numbers that a test can foresee."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edge.bench.ceiling import ceiling_of
from edge.bench.measured import Query, stages_of
from edge.bench.quantiles import PERCENTS, quantile_of
from edge.bench.report import (
    BenchMachine,
    BenchPack,
    BenchReport,
    BenchScan,
    Conditions,
    Energy,
    KnownAnswer,
    PackModel,
    Scenario,
    ScenarioName,
)
from edge.bench.soak import soak_of
from edge.bench.watch import Memory
from edge.engines import EngineFacts
from edge.pack.manifest import Evidence

ENGINE = EngineFacts(name="onnxruntime", version="1.0", provider="CPUExecutionProvider", precision="fp32", threads=2)
QUIET = Conditions(load=(0.1, 0.2), mhz=(800.0, 2400.0, 3000.0), celsius={"x86_pkg_temp": 61.0}, throttled={})
UNTOLD = Conditions(load=None, mhz=None, celsius={}, throttled=None)
NOWHERE = "nothing here tells it"


def scenario(
    name: ScenarioName = "single-stream", latencies: Sequence[float] = (10.0,) * 50, each: int = 1, **changes: Any
) -> Scenario:
    """A scenario with these latencies in ms, of queries of `each` scans; two stages take four fifths of the time."""
    queries = [
        Query(seconds=ms / 1e3, stages={"read": ms / 2e3, "infer": 0.3 * ms / 1e3}, scans=each) for ms in latencies
    ]
    seconds = sum(query.seconds for query in queries)
    made = Scenario(
        name=name,
        engine=ENGINE,
        scans_a_query=each,
        queries=len(queries),
        scans=each * len(queries),
        seconds=seconds,
        scans_an_hour=3600 * each * len(queries) / seconds,
        latencies_ms=tuple(latencies),
        quantiles=tuple(quantile_of(latencies, p) for p in PERCENTS) if len(queries) > 1 else (),
        stages=stages_of(queries),
        memory=Memory(kind="pss", peak_bytes=100_000_000, at_most_bytes=120_000_000, gpu_bytes=None),
        energy=(Energy(name="package-0", joules_a_scan=0.5, watts=9.0, idle_watts=4.0),),
        conditions=QUIET,
    )
    return replace(made, **changes)


def pack(**changes: Any) -> BenchPack:
    """A pack of one model."""
    evidence = Evidence(
        precision="fp32", engine="onnxruntime", label="all", data="a set", metric="auc", value=0.9, n=100,
        interval=(0.8, 0.95), method="bootstrap",
    )  # fmt: skip
    made = BenchPack(
        name="tiny",
        version="1.0.0",
        title="Tiny",
        status="trained",
        sha256="a" * 64,
        intended_use="Tests.",
        models=(
            PackModel(
                precision="fp32",
                file="model.onnx",
                sha256="b" * 64,
                engines=("onnxruntime",),
                verdict="reference",
                ran=True,
            ),
        ),
        thresholds={},
        evidence=(evidence,),
        known_answers=(KnownAnswer(name="case", largest_difference=0.0001, tolerance=0.001),),
    )
    return replace(made, **changes)


def machine(**changes: Any) -> BenchMachine:
    """A machine of two cores."""
    made = BenchMachine(
        name="A processor, 2 cores",
        system="Linux 6.1 x86_64",
        cores=2,
        memory_bytes=8_000_000_000,
        gpus=(),
        power_mode="governor performance",
        software={"numpy": "2.0"},
    )
    return replace(made, **changes)


def report(*scenarios: Scenario, **changes: Any) -> BenchReport:
    """A report with these scenarios, or with one."""
    made = BenchReport(
        finished_utc="2026-01-02T03:04:05+00:00",
        arguments={"engine": "auto"},
        pack=pack(),
        engine=ENGINE,
        origin="golden",
        scans=(BenchScan(name="case", sha256="c" * 64, bytes=1234, files=1),),
        confirmed={},
        machine=machine(),
        scenarios=scenarios or (scenario(),),
        ceiling=ceiling_of([(0.02, 0.01)] * 5),
        soak=soak_of([(float(second), 10.0, 1000 * second) for second in range(1, 41)], 1.0, QUIET),
        comparison=None,
        left_out={},
        not_measured={"memory of the GPU": NOWHERE},
    )
    return replace(made, **changes)
