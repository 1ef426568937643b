"""Why the model says so, on request: where its score comes from, and whether the map of that can be believed.

    findings + what was fed -> occlusion (maps for any net) -> faithfulness (deletion test) -> findings with maps kept

It costs hundreds of runs of the engine, so nothing here happens unless it is asked for; `ask` is where that begins.
"""
