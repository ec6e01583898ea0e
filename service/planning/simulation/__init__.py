"""A fleet as discrete events: what formulas cannot tell of faults, retries and cold starts.

A few replicas of the fleet are simulated one request at a time, each with exactly the requests
that it would get: all arrivals of the fleet are drawn, over all sessions, and those kept that are
routed to the sample. What the fleet shares, Redis, gives the sample its share of speed. So neither
popularity, nor copies, nor load per replica is scaled; only the number of replicas looked at is.
"""

from service.planning.simulation.run import Outcome, simulate
from service.planning.simulation.scenario import FAULTS, Fault, Scenario

__all__ = ["FAULTS", "Fault", "Outcome", "Scenario", "simulate"]
