-- Format 8. A digest with each event, so that `verify` finds what was changed behind the triggers, by a hand or by a disk.

-- Eight bytes of SHA-256 over the text of the row of the columns before it. Null where an older format wrote the event.
alter table {schema}.events add column digest bytea;

-- From which position on every event has one; one row.
create table {schema}.digests (
  one    integer primary key check (one = 1),
  since  bigint  not null
);

insert into {schema}.digests select 1, coalesce(max(position), 0) + 1 from {schema}.events;

-- All ways by which events come in, as before, with the digest.
create or replace function {schema}.append(
  asks json, streams_of text[], ids uuid[], types text[], schema_versions integer[], datas text[], tags text[], valid_ats bigint[],
  correlation_ids text[], causation_ids text[], actors text[], metadatas text[]
) returns setof json language plpgsql set enable_seqscan = off as $$
declare
  ask json;
  write json;
  head bigint;
  newest bigint;
  first bigint;
  at bigint;
  lo integer;
  hi integer;
  versions bigint[];
  actual bigint;
  streams json;
  queries json;
begin
  perform pg_advisory_xact_lock(hashtextextended('refold {name}', 0));
  select e.position, e.recorded_at into head, newest from {schema}.events e order by e.position desc limit 1;
  head := coalesce(head, 0);
  newest := coalesce(newest, 0);

  for ask in select value from json_array_elements(asks) loop
    if ask -> 'request' is not null and json_typeof(ask -> 'request') = 'array' then
      select json_build_object('asked', json_build_array(r.asked, r.stream, r.version, r.first_position, r.last_position))
        into write from {schema}.requests r where r.key = ask -> 'request' ->> 0;
      if found then
        return next write;
        continue;
      end if;
    end if;

    lo := (ask -> 'writes' -> 0 ->> 2)::integer;
    hi := (ask -> 'writes' -> -1 ->> 3)::integer;
    if exists (select from {schema}.events e where e.id = any (ids[lo:hi])) then
      return next '{"ids": true}'::json;
      continue;
    end if;

    select json_build_object('archived', json_build_array(a.stream, s.place)) into write
      from {schema}.archived a, {schema}.archive s where a.stream = any (streams_of[lo:hi]) limit 1;
    if found then
      return next write;
      continue;
    end if;

    select json_agg(json_build_array(checked.index - 1, checked.version)) into streams from (
      select c.index, {schema}.version_of(c.value ->> 0) as version, c.value ->> 1 as expected
      from json_array_elements(ask -> 'streams') with ordinality c(value, index)) checked
    where not {schema}.holds(checked.expected, checked.version);
    select json_agg(json_build_array(checked.index - 1, checked.last)) into queries from (
      select c.index, (c.value ->> 0)::bigint as above,
        case json_array_length(c.value -> 1) when 0 then head
        else (select max({schema}.last_match(i.value, (c.value ->> 0)::bigint)) from json_array_elements(c.value -> 1) i) end as last
      from json_array_elements(ask -> 'queries') with ordinality c(value, index)) checked
    where checked.last > checked.above;
    if streams is not null or queries is not null then
      return next json_build_object('streams', coalesce(streams, '[]'), 'queries', coalesce(queries, '[]'));
      continue;
    end if;

    first := head + 1;
    at := greatest((ask ->> 'now')::bigint, newest);
    with event as materialized (
      select e.*, {schema}.version_of(e.stream) + row_number() over (partition by e.stream order by e.i) as version
      from unnest(streams_of[lo:hi], ids[lo:hi], types[lo:hi], schema_versions[lo:hi], datas[lo:hi], tags[lo:hi], valid_ats[lo:hi],
        correlation_ids[lo:hi], causation_ids[lo:hi], actors[lo:hi], metadatas[lo:hi]) with ordinality
        e(stream, id, type, schema_version, data, tags, valid_at, correlation_id, causation_id, actor, metadata, i)
    ), written as (
      insert into {schema}.events
      select w.*, substr(sha256(convert_to(w::text, 'UTF8')), 1, 8) from (
        select head + e.i, e.stream, e.version, e.id, e.type, e.schema_version, e.data::json, e.tags::json, at, e.valid_at,
          e.correlation_id, e.causation_id, e.actor, e.metadata::json
        from event e offset 0) w
    )
    insert into {schema}.event_tags
      select t.tag, head + e.i, e.type from event e, json_array_elements_text(e.tags::json) t(tag) where e.tags <> '[]';
    head := head + coalesce(hi - lo + 1, 0);
    select array_agg({schema}.version_of(w.value ->> 0) order by w.index) into versions
      from json_array_elements(ask -> 'writes') with ordinality w(value, index);
    if first <= head then
      newest := at;
    end if;

    if json_typeof(ask -> 'request') = 'array' then
      actual := {schema}.version_of(ask -> 'request' ->> 2);
      insert into {schema}.requests values (ask -> 'request' ->> 0, ask -> 'request' ->> 1, ask -> 'request' ->> 2, actual,
        case when first <= head then first else 0 end, case when first <= head then head else 0 end);
    end if;
    return next json_build_object('done', json_build_array(first, head), 'versions', coalesce(to_json(versions), '[]'));
  end loop;
  perform pg_notify('{name}', '');  -- whoever follows wakes up at the commit
end $$;

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
    select w.*, substr(sha256(convert_to(w::text, 'UTF8')), 1, 8) from (
      select head + p.taken + (e.i - p.skipped), p.stream, p.before + (e.i - p.skipped), e.id, e.type, e.schema_version,
        e.data::json, e.tags::json, at, e.valid_at, e.correlation_id, e.causation_id, e.actor, e.metadata::json
      from unnest(append_simple.asks, append_simple.ids, append_simple.types, append_simple.schema_versions, append_simple.datas,
        append_simple.tags, append_simple.valid_ats, append_simple.correlation_ids, append_simple.causation_ids,
        append_simple.actors, append_simple.metadatas) with ordinality
        e(ask, id, type, schema_version, data, tags, valid_at, correlation_id, causation_id, actor, metadata, i)
      join placed p on p.ask = e.ask where p.ok offset 0) w
    returning events.position, events.type, events.tags
  ), tagged as (
    insert into {schema}.event_tags select t.tag, w.position, w.type
    from written w, json_array_elements_text(w.tags) t(tag) where w.tags::text <> '[]'
  )
  select p.ok, (head + p.taken + 1)::bigint, (p.before + case when p.ok then p.count else 0 end)::bigint
  from placed p order by p.ask;
  perform pg_notify('{name}', '');
end $$;

create or replace function {schema}.append_one(
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
  at := greatest(now, at);
  insert into {schema}.events values (first, stream, version, id, type, schema_version, data, tags, at, valid_at,
    correlation_id, causation_id, actor, metadata, substr(sha256(convert_to(row(first, stream, version, id, type, schema_version,
      data, tags, at, valid_at, correlation_id, causation_id, actor, metadata)::text, 'UTF8')), 1, 8));
  if tags::text <> '[]' then
    insert into {schema}.event_tags select t.tag, first, type from json_array_elements_text(tags) t(tag);
  end if;
  perform pg_notify('{name}', '');
end $$;

-- Archived events come back with a digest that is made here, like all others.
create or replace view {schema}.returned as
select position, stream, version, uuid_send(id) as id, type, schema_version, json_send(data) as data, tags::text as tags,
  recorded_at, valid_at, correlation_id, causation_id, actor, json_send(metadata) as metadata, digest
from {schema}.events;

create or replace function {schema}.take_back() returns trigger language plpgsql as $$
begin
  if not exists (
    select from {schema}.archived a where a.stream = new.stream
    and new.position between a.first_position and a.last_position and new.version between 1 and a.events) then
    raise exception 'only archived events come back' using errcode = 'restrict_violation';
  end if;
  insert into {schema}.events
    select w.*, substr(sha256(convert_to(w::text, 'UTF8')), 1, 8) from (
      select new.position, new.stream, new.version, encode(new.id, 'hex')::uuid, new.type, new.schema_version,
        convert_from(new.data, 'UTF8')::json, new.tags::json, new.recorded_at, new.valid_at, new.correlation_id,
        new.causation_id, new.actor, convert_from(new.metadata, 'UTF8')::json offset 0) w;
  return new;
end $$;
