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
_DROP: Final = """
set lock_timeout = '2s';
do $$ begin
  execute coalesce((select string_agg('drop table if exists ' || oid::regclass || ' cascade', '; ')
    from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'), 'select');
end $$"""  # what read models have made
_EMPTY: Final = """
set lock_timeout = '2s'; set session_replication_role = replica;
do $$ begin
  execute (select string_agg('delete from ' || oid::regclass, '; ')
    from pg_class where relnamespace = 'refold'::regnamespace and relkind = 'r' and relname <> 'digests');
end $$"""  # to truncate takes longer: each table and index is a new file then


class Emptied:
    """Gives its URL; when a test has left more behind than rows and tables of read models, it is another one."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._make()

    def empty(self) -> None:
        """Nothing of the last test is left."""
        try:
            if not self._is_as_made():
                self._connection.execute(_DROP)
            if self._is_as_made():
                self._connection.execute(_EMPTY)
                return
        except psycopg.OperationalError:  # somebody holds a lock, or has ended all connections
            pass
        self.drop()
        self._make()

    def drop(self) -> None:
        """The database goes."""
        self._connection.close()
        self._server.drop(self.url)

    def _make(self) -> None:
        self.url = self._server.new_database()
        Store.open(self.url).close()
        # One connection for all: a new one knows no table yet, which takes long.
        self._connection = psycopg.connect(self.url, autocommit=True)
        self._shape = self._shape_now()

    def _shape_now(self) -> object:
        return self._connection.execute(_SHAPE).fetchone()

    def _is_as_made(self) -> bool:
        return self._shape_now() == self._shape
