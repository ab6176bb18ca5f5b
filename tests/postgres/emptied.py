"""A database with an empty store for one test after the other: to empty it takes a third of the time that a new one takes."""

from __future__ import annotations

from typing import Final

import psycopg

from refold import Store
from refold.testing.postgres import PostgresServer

_SHAPE: Final = """
select md5(string_agg(told, ' ' order by told)) from (
  select n.nspname || '.' || c.relname || c.relkind::text as told from pg_class c join pg_namespace n on n.oid = c.relnamespace
  union all
  select n.nspname || '.' || p.proname || md5(p.prosrc) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
  union all
  select t.tgrelid::regclass || '.' || t.tgname || t.tgenabled::text from pg_trigger t
  union all
  select n.nspname || coalesce(obj_description(n.oid), '') from pg_namespace n
) told where told not like 'pg\\_%' and told not like 'information\\_schema%'"""
_EMPTY: Final = """
set lock_timeout = '2s'; set session_replication_role = replica;
do $$ begin
  execute (select string_agg('delete from ' || oid::regclass, '; ')
    from pg_class where relnamespace = 'refold'::regnamespace and relkind = 'r' and relname <> 'digests');
end $$"""  # to truncate takes longer: each table and index is a new file then


class Emptied:
    """Gives its URL; when a test has left more than rows behind, such as a table, it is another one."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self.url, self._shape = self._made()

    def empty(self) -> None:
        """Nothing of the last test is left."""
        try:
            with psycopg.connect(self.url, autocommit=True) as connection:
                if connection.execute(_SHAPE).fetchone() == self._shape:
                    connection.execute(_EMPTY)
                    return
        except psycopg.OperationalError:  # somebody holds a lock, or has forbidden connections
            pass
        self.drop()
        self.url, self._shape = self._made()

    def drop(self) -> None:
        """The database goes."""
        self._server.drop(self.url)

    def _made(self) -> tuple[str, object]:
        url = self._server.new_database()
        Store.open(url).close()
        with psycopg.connect(url) as connection:
            return url, connection.execute(_SHAPE).fetchone()
