-- Remove a consumer from its group, but never one that still holds entries: deleting a consumer
-- deletes its pending list, and nobody could claim those entries any more (F25).
-- The look and the deletion are one step, so that no entry can be delivered between them.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- Returns 1 when it was removed, 0 when it holds entries and stays.

local held = redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2])
if #held > 0 then
    return 0
end
redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
return 1
