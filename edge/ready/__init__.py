"""Which engine is the fastest here: found once by measuring, proven by known answers, recorded, and obeyed.

candidates   which engine may run which model of a pack
sample       what a model is fed while it is measured
trial        a candidate at work, in a process of its own
choose       from measured times to the engine for one scan and the engine for a folder
prepare      the whole of it, for one pack
progress     how far that is, for a person
record       what was found, and when it holds
machine      what a record is bound to
wrong        which engines gave wrong answers
here         which engines there are, which lack, and how to get them
"""
