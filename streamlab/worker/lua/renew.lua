-- Set the idle time of pending entries, of those only that this consumer still owns: a zombie that
-- wakes up never steals its work back (F27).
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- ARGV[3]  the idle time to set, in ms: 0 while it works (heartbeat), more to be taken over sooner
-- ARGV[4]  what to take off the number of deliveries: 1 for those that were never begun, else 0
-- ARGV[5…] the ids
-- Returns the ids that are not this consumer's any more.

local lost = {}
for i = 5, #ARGV do
    local line = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])[1]
    if line then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3],
            'RETRYCOUNT', math.max(0, line[4] - tonumber(ARGV[4])), 'JUSTID')
    else
        table.insert(lost, ARGV[i])
    end
end
return lost
