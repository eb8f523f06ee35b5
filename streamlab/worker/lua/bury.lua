-- Move a pending entry to the dead letters: fields, reason and the end of its pending life in one
-- step. Killed between an XADD and an XACK, it would be on both (F32).
--
-- KEYS[1]  the stream
-- KEYS[2]  the dead-letter stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- ARGV[3]  the entry's id
-- ARGV[4]  how the names of the added fields begin
-- ARGV[5]  the class of the error, or ''
-- ARGV[6]  the reason
-- Returns 1 when it was moved, 0 when it is not this consumer's any more or is off the stream.

local line = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1, ARGV[2])[1]
if not line then return 0 end
local entry = redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3])[1]
if entry then
    local command = {'XADD', KEYS[2], '*'}
    for _, part in ipairs(entry[2]) do table.insert(command, part) end
    for _, pair in ipairs({
        {'entry_id', ARGV[3]}, {'deliveries', line[4]}, {'error', ARGV[5]}, {'reason', ARGV[6]},
    }) do
        table.insert(command, ARGV[4] .. pair[1])
        table.insert(command, pair[2])
    end
    redis.call(unpack(command))  -- if the server is full this ends the script: it stays pending
end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
return entry and 1 or 0
