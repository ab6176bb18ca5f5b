-- Format 4. Streams that went into an archive: their events stand in its files; what must be known without them stands here.
-- The tags of archived events stay in event_tags, so that conditions on tags go on to hold.

-- The archive, one row at most. `changes` counts what was archived and restored, so that readers see that something was.
create table {schema}.archive (
  one      integer primary key check (one = 1),
  id       text    not null,
  place    text    not null,
  changes  bigint  not null
);

-- A stream is here whole, or in events whole: recording it here removes its rows, and it goes from here when they are back.
create table {schema}.archived (
  stream             text    collate "C" primary key,
  events             bigint  not null,
  tags               bigint  not null,
  first_position     bigint  not null,
  last_position      bigint  not null,
  first_recorded_at  bigint  not null,
  last_recorded_at   bigint  not null,
  digest             text    not null,
  archived_at        bigint  not null,
  category           text    collate "C" generated always as (split_part(stream, '-', 1)) stored
);

create index archived_by_place    on {schema}.archived (last_position, first_position);
create index archived_by_category on {schema}.archived (category, last_position);

create table {schema}.archived_types (
  type            text    collate "C" not null,
  stream          text    collate "C" not null,
  events          bigint  not null,
  first_position  bigint  not null,
  last_position   bigint  not null,
  primary key (type, stream)
);

create index archived_types_by_place  on {schema}.archived_types (type, last_position);
create index archived_types_by_stream on {schema}.archived_types (stream);

-- Under the lock of the appends, so that none of them is under way in this stream.
create function {schema}.check_archived() returns trigger language plpgsql as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('refold {name}', 0));
  if not (
      select count(*) = new.events and max(version) = new.events and count(*) > 0
        and min(position) = new.first_position and max(position) = new.last_position
      from {schema}.events where stream = new.stream)
    or not exists (select from {schema}.archive)
    or new.last_position >= (select max(position) from {schema}.events) then
    raise exception 'a stream is archived whole, and never with the newest event of the store' using errcode = 'restrict_violation';
  end if;
  return new;
end $$;

create function {schema}.remove_archived() returns trigger language plpgsql as $$
begin
  insert into {schema}.archived_types
    select type, stream, count(*), min(position), max(position) from {schema}.events where stream = new.stream group by type, stream;
  delete from {schema}.events where stream = new.stream;
  update {schema}.archive set changes = changes + 1;
  return null;
end $$;

create function {schema}.keep_archived() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and old.events = (select count(*) from {schema}.events where stream = old.stream) then
    return old;
  end if;
  raise exception 'an archived stream is forgotten only when all of its events are back' using errcode = 'restrict_violation';
end $$;

create function {schema}.forget_archived() returns trigger language plpgsql as $$
begin
  delete from {schema}.archived_types where stream = old.stream;
  update {schema}.archive set changes = changes + 1;
  return null;
end $$;

create function {schema}.keep_archived_types() returns trigger language plpgsql as $$
begin
  if tg_op = 'DELETE' and not exists (select from {schema}.archived where stream = old.stream) then
    return old;
  end if;
  raise exception 'an archived stream is forgotten only when all of its events are back' using errcode = 'restrict_violation';
end $$;

create trigger archived_streams_are_whole before insert on {schema}.archived
  for each row execute function {schema}.check_archived();
create trigger archived_events_go after insert on {schema}.archived
  for each row execute function {schema}.remove_archived();
create trigger archived_streams_are_kept before update or delete on {schema}.archived
  for each row execute function {schema}.keep_archived();
create trigger archived_streams_are_back after delete on {schema}.archived
  for each row execute function {schema}.forget_archived();
create trigger archived_types_are_kept before update or delete on {schema}.archived_types
  for each row execute function {schema}.keep_archived_types();
create trigger archived_streams_are_facts before truncate on {schema}.archived
  for each statement execute function {schema}.refuse();
create trigger archived_types_are_facts before truncate on {schema}.archived_types
  for each statement execute function {schema}.refuse();

-- An event goes only if its stream is archived, and none comes to an archived stream but at the place where it stood.
create function {schema}.refuse_removal() returns trigger language plpgsql as $$
begin
  if exists (select from {schema}.archived a where a.stream = old.stream) then
    return old;
  end if;
  raise exception 'events are facts: append a correcting event instead' using errcode = 'restrict_violation';
end $$;

create function {schema}.refuse_archived() returns trigger language plpgsql as $$
begin
  if exists (
    select from {schema}.archived a where a.stream = new.stream
    and not (new.position between a.first_position and a.last_position and new.version between 1 and a.events)) then
    raise exception 'stream % is archived: nothing is appended to it', new.stream using errcode = 'restrict_violation';
  end if;
  return new;
end $$;

drop trigger events_are_facts on {schema}.events;
create trigger events_are_facts before update or truncate on {schema}.events
  for each statement execute function {schema}.refuse();
create trigger events_stay before delete on {schema}.events
  for each row execute function {schema}.refuse_removal();
create trigger archived_streams_do_not_grow before insert on {schema}.events
  for each row when (new.version = 1) execute function {schema}.refuse_archived();

-- The ended periods of things, as opening events tell them, of which the newest of each began the period that still goes on.
create view {schema}.closed as
with closed (stream) as (
  select substr(tag, 9) from {schema}.event_tags where tag >= '$period:' and tag < '$period;' group by tag
  union
  select e.stream from {schema}.event_tags t join {schema}.events e on e.position = t.position
  where t.tag >= '$period:' and t.tag < '$period;'
    and t.position < (select max(n.position) from {schema}.event_tags n where n.tag = t.tag)
)
select c.stream, e.version as events, e.position as last_position, e.recorded_at as last_recorded_at
from closed c join {schema}.events e on e.stream = c.stream
where e.version = (select max(version) from {schema}.events where stream = c.stream);

-- Where archived events come back.
create view {schema}.returned as
select position, stream, version, uuid_send(id) as id, type, schema_version, json_send(data) as data, tags::text as tags,
  recorded_at, valid_at, correlation_id, causation_id, actor, json_send(metadata) as metadata
from {schema}.events;

create function {schema}.take_back() returns trigger language plpgsql as $$
begin
  if not exists (
    select from {schema}.archived a where a.stream = new.stream
    and new.position between a.first_position and a.last_position and new.version between 1 and a.events) then
    raise exception 'only archived events come back' using errcode = 'restrict_violation';
  end if;
  insert into {schema}.events values (new.position, new.stream, new.version, encode(new.id, 'hex')::uuid, new.type,
    new.schema_version, convert_from(new.data, 'UTF8')::json, new.tags::json, new.recorded_at, new.valid_at,
    new.correlation_id, new.causation_id, new.actor, convert_from(new.metadata, 'UTF8')::json);
  return new;
end $$;

create trigger events_come_back instead of insert on {schema}.returned
  for each row execute function {schema}.take_back();

-- What appends are judged by, archived streams included.
create or replace function {schema}.version_of(name text) returns bigint stable language sql as $$
  select coalesce(
    (select e.version from {schema}.events e where e.stream = name order by e.version desc limit 1),
    (select a.events from {schema}.archived a where a.stream = name), 0)
$$;

create or replace function {schema}.last_match(item json, above bigint) returns bigint stable language plpgsql as $$
declare
  types text[] := (select array_agg(value) from json_array_elements_text(item -> 'types'));
  tags  text[] := (select array_agg(value) from json_array_elements_text(item -> 'tags'));
  found bigint;
begin
  if tags is null then
    select max(last.position) into found from unnest(types) t(type), lateral (
      (select e.position from {schema}.events e where e.type = t.type and e.position > above order by e.position desc limit 1)
      union all
      (select a.last_position from {schema}.archived_types a where a.type = t.type and a.last_position > above
       order by a.last_position desc limit 1)) last;
  else
    select t.position into found from {schema}.event_tags t
    where t.tag = tags[1] and t.position > above and (types is null or t.type = any (types))
      and not exists (select from unnest(tags[2:]) other(tag) where not exists (
        select from {schema}.event_tags x where x.tag = other.tag and x.position = t.position))
    order by t.position desc limit 1;
  end if;
  return coalesce(found, 0);
end $$;

-- As before, but for the answer {"archived": [stream, place]} to whoever writes an archived stream.
create or replace function {schema}.append(
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

-- As before; no rows also if one of the streams is archived.
create or replace function {schema}.append_simple(
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
  if exists (select from {schema}.events e where e.id = any (append_simple.ids))
    or exists (select from {schema}.archived a where a.stream = any (append_simple.streams)) then
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
