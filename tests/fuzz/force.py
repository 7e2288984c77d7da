"""What was read, put in force: no object that could be read may break the update, or the checks after it."""

from collections.abc import Sequence

from authz.model.cluster import ALONE, Cluster
from authz.model.declared import Declared
from authz.model.operator import ClientAddress, Operator
from authz.service.check import Checker
from authz.service.keyring import KeyRing
from authz.service.tokens import TokenMemory
from authz.service.update import Updater
from tests.builders import HOST, a_request
from tests.fakes import FakeClock, FakeFetcher, Journal


def put_in_force(declared: Sequence[Declared], cluster: Cluster = ALONE, operator: Operator | None = None) -> None:
    """Put these in force in an installation of their own, and ask it for one of the hosts that they name."""
    ring, journal, failures = KeyRing(FakeFetcher(), FakeClock(), Journal()), Journal(), list[BaseException]()
    updater = Updater(operator or Operator(ClientAddress()), ring, TokenMemory(), failures.append)
    updater.apply(declared, cluster)
    assert not failures, failures
    checker = Checker(updater.store, ring, FakeClock(), journal)
    named = [host for each in declared if each.policy is not None for host in each.policy.hosts]
    for host in (HOST, *named[:1]):
        checker.explain(a_request(host=host.replace("*", "x"), headers={"authorization": "Bearer x"}))
    assert not journal.faults, journal.faults
