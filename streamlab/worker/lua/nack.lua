-- Hand pending entries back to the group (XNACK, 8.8+), those only that this consumer still owns:
-- XNACK itself does not ask who calls.
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- ARGV[3]  SILENT takes one off the number of deliveries, FAIL leaves it
-- ARGV[4…] the ids
-- Returns the ids that are not this consumer's any more.

local lost = {}
for i = 4, #ARGV do
    if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) > 0 then
        redis.call('XNACK', KEYS[1], ARGV[1], ARGV[3], 'IDS', 1, ARGV[i])
    else
        table.insert(lost, ARGV[i])
    end
end
return lost
