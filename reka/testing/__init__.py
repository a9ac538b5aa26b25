"""A scripted server, for tests of programs that call Reka's API.

With pytest, the fixture `reka_server` is one, to which every client of the test goes that names no other address, and
`reka_client` is a client of it:

    def test_a_report_is_made_of_the_answer(reka_server, reka_client):
        reka_server.will_say("It rains.")

        assert report(reka_client, "Oslo") == "Oslo: It rains."
        assert reka_server.requests[0].question == "How is the weather in Oslo?"
"""

from reka.testing.answers import Answer, answer, fails
from reka.testing.connection import Connection, Script
from reka.testing.faults import reset, say_nothing, stop_inside_the_body
from reka.testing.recorded import RecordedRequest
from reka.testing.says import Fault, Item, Wait, by_request, says
from reka.testing.server import FakeReka
from reka.testing.settings import hide_settings

__all__ = [
    "Answer",
    "Connection",
    "FakeReka",
    "Fault",
    "Item",
    "RecordedRequest",
    "Script",
    "Wait",
    "answer",
    "by_request",
    "fails",
    "hide_settings",
    "reset",
    "say_nothing",
    "says",
    "stop_inside_the_body",
]
