"""A service asked whatever its description allows, and what it does not."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

STARTS_WORK = {"/portfolio", "/plan"}
"""Asked only what is refused: what is taken in keeps a processor for seconds after the answer."""


def assert_as_described(url, key, examples):
    """Ask each operation so many generated questions: no 5xx, and no answer that is not described.

    What fits the schema may be refused all the same: it does not say which loans there are, nor a model's inputs.
    """
    headers = {"Authorization": f"Bearer {key}"}
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers)
    for found in schema.get_all_operations():
        operation = found.ok()
        modes = [GenerationMode.NEGATIVE] if operation.path in STARTS_WORK else list(GenerationMode)

        @settings(max_examples=examples, deadline=None, database=None, derandomize=True,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(case=st.one_of(operation.as_strategy(mode) for mode in modes))
        def ask(case):
            case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])

        ask()
