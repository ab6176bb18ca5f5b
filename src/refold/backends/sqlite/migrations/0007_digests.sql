-- Format 7. A digest with each event, so that `verify` finds what was changed behind the triggers, by a hand or by a disk.

-- Eight bytes of BLAKE2b over the MessagePack array of the columns before `digest`, in their order, but for `category`.
-- Null where an older format wrote the event.
alter table events add column digest blob;

-- From which position on every event has one; one row.
create table refold_digests (
  one    integer primary key check (one = 1),
  since  integer not null
) strict;

insert into refold_digests select 1, coalesce(max(position), 0) + 1 from events;

-- As before, with the digest.
drop view refold_returned;
create view refold_returned as
select position, stream, version, id, type, schema_version, data, tags, recorded_at, valid_at, correlation_id, causation_id,
  actor, metadata, digest
from events;

create trigger events_come_back instead of insert on refold_returned
begin
  insert into events (position, stream, version, id, type, schema_version, data, tags, recorded_at, valid_at, correlation_id,
    causation_id, actor, metadata, digest)
  values (new.position, new.stream, new.version, new.id, new.type, new.schema_version, new.data, new.tags, new.recorded_at,
    new.valid_at, new.correlation_id, new.causation_id, new.actor, new.metadata, new.digest);
end;
