"""How many replicas, devices and Redis a load needs, and what breaks first as it grows.

Unit costs are measured (`measure`) or, for GPUs nobody has measured, estimated (`gpu`) into a
`Profile`; closed formulas make a plan of it (`plan`), and a discrete-event simulation shows what
formulas cannot: faults, retries and cold starts (`service.planning.simulation`).
"""
