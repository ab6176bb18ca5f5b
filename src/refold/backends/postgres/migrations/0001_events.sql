-- Format 1. The events are facts: appended at the end, never changed, never removed. A time is microseconds since 1970 UTC.
--
-- Positions have no holes and rise in the order of commits: an append takes the next ones under the store's advisory lock,
-- which is held until it commits. The lock only makes writers queue. What holds the promise is the primary key: two appends
-- that saw the same head want the same position, and one of them fails. So nothing ever appears below a position that a
-- reader has seen, no transaction id is stored, and a dump can be restored anywhere.

create table {schema}.events (
  position        bigint  primary key,
  stream          text    collate "C" not null,
  version         bigint  not null,
  id              uuid    not null,
  type            text    collate "C" not null,
  schema_version  integer not null,
  data            json    not null,
  tags            json    not null,
  recorded_at     bigint  not null,
  valid_at        bigint,
  correlation_id  text    collate "C" not null,
  causation_id    text    collate "C",
  actor           text,
  metadata        json    not null,
  constraint events_stream_version unique (stream, version),
  constraint events_id unique (id)
);

create index events_by_type     on {schema}.events (type, position);
create index events_by_category on {schema}.events (split_part(stream, '-', 1), position);
create index events_by_story    on {schema}.events (correlation_id, position);

create table {schema}.event_tags (
  tag       text   collate "C" not null,
  position  bigint not null,
  type      text   collate "C" not null,
  primary key (tag, position)
);

create table {schema}.requests (
  key             text   collate "C" primary key,
  asked           text   not null,
  stream          text   not null,
  version         bigint not null,
  first_position  bigint not null,
  last_position   bigint not null
);

create table {schema}.checkpoints (
  projection  text    collate "C" primary key,
  version     integer not null,
  position    bigint  not null
);

create function {schema}.refuse() returns trigger language plpgsql as $$
begin
  raise exception 'events are facts: append a correcting event instead' using errcode = 'restrict_violation';
end $$;

create trigger events_are_facts before update or delete or truncate on {schema}.events
  for each statement execute function {schema}.refuse();
create trigger tags_are_facts before update or delete or truncate on {schema}.event_tags
  for each statement execute function {schema}.refuse();

-- The last position above `above` that matches one item of a query, or 0.
create function {schema}.last_match(item json, above bigint) returns bigint stable language plpgsql as $$
declare
  types text[] := (select array_agg(value) from json_array_elements_text(item -> 'types'));
  tags  text[] := (select array_agg(value) from json_array_elements_text(item -> 'tags'));
  found bigint;
begin
  if tags is null then
    select max(last.position) into found from unnest(types) t(type), lateral (
      select e.position from {schema}.events e where e.type = t.type and e.position > above order by e.position desc limit 1) last;
  else
    select t.position into found from {schema}.event_tags t
    where t.tag = tags[1] and t.position > above and (types is null or t.type = any (types))
      and not exists (select from unnest(tags[2:]) other(tag) where not exists (
        select from {schema}.event_tags x where x.tag = other.tag and x.position = t.position))
    order by t.position desc limit 1;
  end if;
  return coalesce(found, 0);
end $$;

create function {schema}.holds(expected text, version bigint) returns boolean immutable language sql as $$
  select case expected when 'any' then true when 'no stream' then version = 0 when 'exists' then version > 0
    else version = expected::bigint end
$$;

create function {schema}.version_of(name text) returns bigint stable language sql as $$
  select coalesce((select e.version from {schema}.events e where e.stream = name order by e.version desc limit 1), 0)
$$;

-- The last position recorded at or before a moment, by bisection: times never go backwards along positions.
create function {schema}.last_until(moment bigint) returns bigint stable language plpgsql as $$
declare
  low bigint := 0;
  high bigint := (select coalesce(max(position), 0) from {schema}.events);
  middle bigint;
begin
  while low < high loop
    middle := (low + high + 1) / 2;
    if (select e.recorded_at from {schema}.events e where e.position >= middle order by e.position limit 1) <= moment then
      low := middle;
    else
      high := middle - 1;
    end if;
  end loop;
  return low;
end $$;

-- Move a projection's checkpoint, which also locks it against other runners until the transaction ends.
create function {schema}.claim(name text, of_version integer, after bigint, until bigint) returns void language plpgsql as $$
begin
  if until = 0 then
    insert into {schema}.checkpoints values (name, of_version, 0) on conflict (projection) do nothing;
  elsif after = 0 then
    insert into {schema}.checkpoints values (name, of_version, until)
      on conflict (projection) do update set position = excluded.position
      where checkpoints.position = 0 and checkpoints.version = of_version;
  else
    update {schema}.checkpoints c set position = until where c.projection = name and c.position = after and c.version = of_version;
  end if;
  if not found then
    raise exception 'the checkpoint is not at %', after using errcode = 'RF001';
  end if;
end $$;

-- Many appends in one transaction, each accepted or refused by itself, in order. `asks` is a JSON array of
--   {"now": µs, "writes": [[stream, expected, first, last]], "streams": [[stream, expected]],
--    "queries": [[after, [{"types": [], "tags": []}]]], "request": [key, asked, stream] | null}
-- where first and last say which events of the arrays belong to the write. Each answer is one of
--   {"done": [first, last], "versions": []}   {"ids": true}   {"asked": [asked, stream, version, first, last]}
--   {"streams": [[index, actual]], "queries": [[index, actual]]}
create function {schema}.append(
  asks json, streams_of text[], ids uuid[], types text[], schema_versions integer[], datas text[], tags text[], valid_ats bigint[],
  correlation_ids text[], causation_ids text[], actors text[], metadatas text[]
) returns setof json language plpgsql as $$
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
      select head + e.i, e.stream, e.version, e.id, e.type, e.schema_version, e.data::json, e.tags::json, at, e.valid_at,
        e.correlation_id, e.causation_id, e.actor, e.metadata::json
      from event e
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

-- The same for the usual case, set-based: each append writes one stream, no stream twice, nothing else is checked. `counts`
-- says how many events each has, `asks` to which append (1, 2, ...) each event belongs. One row an append: whether it was
-- accepted, its first position, and the stream's version after it. No rows at all: one of the ids is there already.
create function {schema}.append_simple(
  now bigint, streams text[], expecteds text[], counts integer[], asks integer[], ids uuid[], types text[],
  schema_versions integer[], datas text[], tags text[], valid_ats bigint[], correlation_ids text[], causation_ids text[],
  actors text[], metadatas text[]
) returns table (accepted boolean, first bigint, version bigint) language plpgsql as $$
#variable_conflict use_column
declare
  head bigint;
  at bigint;
begin
  perform pg_advisory_xact_lock(hashtextextended('refold {name}', 0));
  if exists (select from {schema}.events e where e.id = any (append_simple.ids)) then
    return;
  end if;
  select e.position, e.recorded_at into head, at from {schema}.events e order by e.position desc limit 1;
  head := coalesce(head, 0);
  at := greatest(append_simple.now, at);
  return query
  with judged as materialized (
    select a.ask, a.stream, a.count, v.before, {schema}.holds(a.expected, v.before) as ok
    from unnest(append_simple.streams, append_simple.expecteds, append_simple.counts) with ordinality a(stream, expected, count, ask),
      lateral (select {schema}.version_of(a.stream) as before) v
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
    insert into {schema}.event_tags select t.tag, w.position, w.type from written w, json_array_elements_text(w.tags) t(tag)
  )
  select p.ok, (head + p.taken + 1)::bigint, (p.before + case when p.ok then p.count else 0 end)::bigint
  from placed p order by p.ask;
  perform pg_notify('{name}', '');
end $$;
