"""The other side: LAC, CPE, RADIUS server and the links between, for demo, replay, tests and
users."""
