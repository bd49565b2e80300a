"""What `tests/postgres.py` promises the tests that need PostgreSQL."""

from __future__ import annotations

import psycopg
import pytest

from tests.postgres import fresh_database


def test_each_database_is_empty_and_gone_afterwards_even_with_somebody_connected() -> None:
    with fresh_database() as uri:
        left = psycopg.connect(uri)
        assert left.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
        with fresh_database() as another:
            assert another != uri
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(uri)


def test_without_a_server_a_test_is_left_out_and_in_ci_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_POSTGRES_URI", "postgresql://postgres@127.0.0.1:1/postgres")
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs a PostgreSQL server"), fresh_database():
        pass
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="must be there in CI"), fresh_database():
        pass
