"""The fixtures that the tests share."""

pytest_plugins = ["tests.support.fixtures", "tests.support.tenant"]
