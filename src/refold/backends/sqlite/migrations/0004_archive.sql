-- Format 4. Streams that went into an archive: their events stand in its files; what must be known without them stands here.
-- The tags of archived events stay in event_tags, so that conditions on tags go on to hold.

-- The archive, one row at most. `changes` counts what was archived and restored, so that readers see that something was.
create table refold_archive (
  one      integer primary key check (one = 1),
  id       text    not null,
  place    text    not null,
  changes  integer not null
) strict;

-- A stream is here whole, or in events whole: recording it here removes its rows, and it goes from here when they are back.
create table refold_archived (
  stream             text    not null primary key,
  events             integer not null,
  tags               integer not null,
  first_position     integer not null,
  last_position      integer not null,
  first_recorded_at  integer not null,
  last_recorded_at   integer not null,
  digest             text    not null,
  archived_at        integer not null,
  category           text generated always as (substr(stream, 1, instr(stream, '-') - 1)) virtual
) strict;

create index refold_archived_by_place    on refold_archived (last_position, first_position);
create index refold_archived_by_category on refold_archived (category, last_position);

create table refold_archived_types (
  type            text    not null,
  stream          text    not null,
  events          integer not null,
  first_position  integer not null,
  last_position   integer not null,
  primary key (type, stream)
) strict, without rowid;

create index refold_archived_types_by_place  on refold_archived_types (type, last_position);
create index refold_archived_types_by_stream on refold_archived_types (stream);

create trigger archived_streams_are_whole before insert on refold_archived
when exists (select 1 from refold_archived where stream = new.stream)
  or not exists (select 1 from refold_archive)
  or not (
    select count(*) = new.events and max(version) = new.events and count(*) > 0
      and min(position) = new.first_position and max(position) = new.last_position
    from events where stream = new.stream)
  or new.last_position >= (select max(position) from events)
begin
  select raise(abort, 'a stream is archived whole, and never with the newest event of the store');
end;

create trigger archived_events_go after insert on refold_archived
begin
  insert into refold_archived_types
    select type, stream, count(*), min(position), max(position) from events where stream = new.stream group by type;
  delete from events where stream = new.stream;
  update refold_archive set changes = changes + 1;
end;

create trigger archived_streams_do_not_change before update on refold_archived
begin
  select raise(abort, 'what is recorded of an archived stream does not change');
end;

create trigger archived_streams_are_kept before delete on refold_archived
when old.events <> (select count(*) from events where stream = old.stream)
begin
  select raise(abort, 'an archived stream is forgotten only when all of its events are back');
end;

create trigger archived_streams_are_back after delete on refold_archived
begin
  delete from refold_archived_types where stream = old.stream;
  update refold_archive set changes = changes + 1;
end;

create trigger archived_types_do_not_change before update on refold_archived_types
begin
  select raise(abort, 'what is recorded of an archived stream does not change');
end;

create trigger archived_types_are_kept before delete on refold_archived_types
when exists (select 1 from refold_archived where stream = old.stream)
begin
  select raise(abort, 'an archived stream is forgotten only when all of its events are back');
end;

-- At the end an event is appended, never to an archived stream, whose next version would be 1 here. Before the end an
-- archived one comes back, to where it stood. INSERT OR REPLACE deletes rows without firing delete triggers, so what it would
-- replace is refused before it inserts.
drop trigger events_are_appended;
create trigger events_are_appended before insert on events
when case when new.position > (select coalesce(max(position), 0) from events)
  then new.version <> (select coalesce(max(version), 0) + 1 from events where stream = new.stream)
    or (new.version = 1 and exists (select 1 from refold_archived where stream = new.stream))
  else not exists (
      select 1 from refold_archived where stream = new.stream
      and new.position between first_position and last_position and new.version between 1 and events)
    or exists (select 1 from events where position = new.position)
    or exists (select 1 from events where stream = new.stream and version = new.version)
  end
  or exists (select 1 from events where id = new.id)
begin
  select raise(abort, 'events are facts: they are appended at the end, once, and replace nothing');
end;

drop trigger events_are_not_removed;
create trigger events_are_not_removed before delete on events
when not exists (select 1 from refold_archived where stream = old.stream)
begin
  select raise(abort, 'events are facts: append a correcting event instead of deleting one');
end;

-- The ended periods of things, as opening events tell them, of which the newest of each began the period that still goes on.
create view refold_closed as
with closed (stream) as (
  select substr(tag, 9) from event_tags where tag >= '$period:' and tag < '$period;' group by tag
  union
  select e.stream from event_tags t join events e on e.position = t.position
  where t.tag >= '$period:' and t.tag < '$period;'
    and t.position < (select max(n.position) from event_tags n where n.tag = t.tag)
)
select c.stream, e.version as events, e.position as last_position, e.recorded_at as last_recorded_at
from closed c join events e on e.stream = c.stream
where e.version = (select max(version) from events where stream = c.stream);

-- Where archived events come back.
create view refold_returned as
select position, stream, version, id, type, schema_version, data, tags, recorded_at, valid_at, correlation_id, causation_id,
  actor, metadata
from events;

create trigger events_come_back instead of insert on refold_returned
begin
  insert into events (position, stream, version, id, type, schema_version, data, tags, recorded_at, valid_at, correlation_id,
    causation_id, actor, metadata)
  values (new.position, new.stream, new.version, new.id, new.type, new.schema_version, new.data, new.tags, new.recorded_at,
    new.valid_at, new.correlation_id, new.causation_id, new.actor, new.metadata);
end;
