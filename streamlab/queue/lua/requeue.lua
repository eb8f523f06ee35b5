-- Put one dead letter back on its stream as a new entry, and take it off the dead letters.
-- In one step: killed between the two, it would be on both (F32).
--
-- KEYS[1]  the dead-letter stream
-- KEYS[2]  the stream
-- ARGV[1]  the id of the dead letter
-- ARGV[2…] the names of the fields that were added when it was buried
-- Returns the id of the new entry; nil when there is no such dead letter.

local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
if #found == 0 then return false end
local added = {}
for i = 2, #ARGV do added[ARGV[i]] = true end
local fields, command = found[1][2], {'XADD', KEYS[2], '*'}
for i = 1, #fields, 2 do
    if not added[fields[i]] then
        table.insert(command, fields[i])
        table.insert(command, fields[i + 1])
    end
end
local id = redis.call(unpack(command))
redis.call('XDEL', KEYS[1], ARGV[1])
return id
