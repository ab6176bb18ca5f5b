-- Format 6. The functions that append, planned for a store that grows: their plans are made once for each connection, often
-- when the tables are empty, and an index is the right way to a single event however few there are. So no plan reads a table
-- from end to end.

alter function {schema}.append(json, text[], uuid[], text[], integer[], text[], text[], bigint[], text[], text[], text[], text[])
  set enable_seqscan = off;

-- As before.
create or replace function {schema}.append_simple(
  now bigint, streams text[], expecteds text[], counts integer[], asks integer[], ids uuid[], types text[],
  schema_versions integer[], datas text[], tags text[], valid_ats bigint[], correlation_ids text[], causation_ids text[],
  actors text[], metadatas text[]
) returns table (accepted boolean, first bigint, version bigint) language plpgsql set enable_seqscan = off as $$
#variable_conflict use_column
declare
  head bigint;
  at bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('refold {name}', 0));
  if exists (select from {schema}.events e where e.id = any (append_simple.ids))
    or exists (select from {schema}.archived a where a.stream = any (append_simple.streams)) then
    return;
  end if;
  select e.position, e.recorded_at into head, at from {schema}.events e order by e.position desc limit 1;
  head := coalesce(head, 0);
  at := greatest(append_simple.now, at);
  return query
  with judged as materialized (
    select a.ask, a.stream, a.count, v.before, case a.expected when 'any' then true when 'no stream' then v.before = 0
        when 'exists' then v.before > 0 else v.before = a.expected::bigint end as ok
    from unnest(append_simple.streams, append_simple.expecteds, append_simple.counts) with ordinality a(stream, expected, count, ask),
      lateral (select coalesce(
        (select e.version from {schema}.events e where e.stream = a.stream order by e.version desc limit 1), 0) as before) v
  ), placed as materialized (
    select j.*, sum(j.count) over (order by j.ask) - j.count as skipped,
      sum(case when j.ok then j.count else 0 end) over (order by j.ask) - case when j.ok then j.count else 0 end as taken
    from judged j
  ), written as (
    insert into {schema}.events
    select head + p.taken + (e.i - p.skipped), p.stream, p.before + (e.i - p.skipped), e.id, e.type, e.schema_version,
      e.data::json, e.tags::json, at, e.valid_at, e.correlation_id, e.causation_id, e.actor, e.metadata::json
    from unnest(append_simple.asks, append_simple.ids, append_simple.types, append_simple.schema_versions, append_simple.datas,
      append_simple.tags, append_simple.valid_ats, append_simple.correlation_ids, append_simple.causation_ids,
      append_simple.actors, append_simple.metadatas) with ordinality
      e(ask, id, type, schema_version, data, tags, valid_at, correlation_id, causation_id, actor, metadata, i)
    join placed p on p.ask = e.ask where p.ok
    returning events.position, events.type, events.tags
  ), tagged as (
    insert into {schema}.event_tags select t.tag, w.position, w.type
    from written w, json_array_elements_text(w.tags) t(tag) where w.tags::text <> '[]'
  )
  select p.ok, (head + p.taken + 1)::bigint, (p.before + case when p.ok then p.count else 0 end)::bigint
  from placed p order by p.ask;
  perform pg_notify('{name}', '');
end $$;

-- The same for one event. All is null if its id is there already, or if its stream is archived.
create function {schema}.append_one(
  now bigint, stream text, expected text, id uuid, type text, schema_version integer, data json, tags json, valid_at bigint,
  correlation_id text, causation_id text, actor text, metadata json, out accepted boolean, out first bigint, out version bigint
) language plpgsql set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  at bigint;
  before bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('refold {name}', 0));
  if exists (select from {schema}.events e where e.id = append_one.id)
    or exists (select from {schema}.archived a where a.stream = append_one.stream) then
    return;
  end if;
  before := coalesce((select e.version from {schema}.events e where e.stream = append_one.stream order by e.version desc limit 1), 0);
  accepted := case expected when 'any' then true when 'no stream' then before = 0 when 'exists' then before > 0
    else before = expected::bigint end;
  version := before + accepted::integer;
  if not accepted then
    return;
  end if;
  select e.position, e.recorded_at into first, at from {schema}.events e order by e.position desc limit 1;
  first := coalesce(first, 0) + 1;
  insert into {schema}.events values (first, stream, version, id, type, schema_version, data, tags, greatest(now, at), valid_at,
    correlation_id, causation_id, actor, metadata);
  if tags::text <> '[]' then
    insert into {schema}.event_tags select t.tag, first, type from json_array_elements_text(tags) t(tag);
  end if;
  perform pg_notify('{name}', '');
end $$;

-- The same guard as before, looked at once for each statement and not once for each row.
create function {schema}.refuse_all_archived() returns trigger language plpgsql as $$
declare
  name text;
begin
  select a.stream into name from added n join {schema}.archived a on a.stream = n.stream
  where not (n.position between a.first_position and a.last_position and n.version between 1 and a.events) limit 1;
  if found then
    raise exception 'stream % is archived: nothing is appended to it', name using errcode = 'restrict_violation';
  end if;
  return null;
end $$;

drop trigger archived_streams_do_not_grow on {schema}.events;
drop function {schema}.refuse_archived();
create trigger archived_streams_do_not_grow after insert on {schema}.events
  referencing new table as added for each statement execute function {schema}.refuse_all_archived();
