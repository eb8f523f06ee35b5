-- Take pending entries into this consumer's hands, each delivered once more, with its count.
-- Either its own (drain) or those of anybody that nobody touched for long (sweep). An entry that
-- is off the stream is acknowledged and counted, the same on every version: 6.2 would hand over a
-- nil without an id and leave it pending for ever (F39).
--
-- KEYS[1]  the stream
-- ARGV[1]  the group
-- ARGV[2]  the consumer
-- ARGV[3]  how many entries at most
-- ARGV[4]  the cursor of the last answer; '' at first
-- ARGV[5]  how long untouched, in ms; '' to take the consumer's own, whatever their idle time
-- ARGV[6…] ids to leave alone: the consumer knows that it has them
-- Returns {cursor ('' at the end), {{id, deliveries, {field, value, …}}, …}, how many were gone}.

local stream, group, me, count = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local known = {}
for i = 6, #ARGV do known[ARGV[i]] = true end

local entries, gone, cursor = {}, 0, ARGV[4]

local function take(id, delivered_before)
    if known[id] then return end
    local claimed = redis.call('XCLAIM', stream, group, me, 0, id)[1]
    if claimed then
        table.insert(entries, {id, delivered_before + 1, claimed[2]})
    else
        redis.call('XACK', stream, group, id)
        gone = gone + 1
    end
end

local function own()
    local from = cursor == '' and '-' or '(' .. cursor
    local lines = redis.call('XPENDING', stream, group, from, '+', count, me)
    for _, line in ipairs(lines) do take(line[1], line[4]) end
    cursor = #lines == count and lines[#lines][1] or ''
end

local function idle()
    local scanned = 0
    repeat
        -- One call looks at ten times COUNT entries at most (F29). JUSTID leaves the counts alone;
        -- XCLAIM raises them (F30).
        local from = cursor == '' and '0-0' or cursor
        local answer = redis.call('XAUTOCLAIM', stream, group, me, ARGV[5], from, 'COUNT', count, 'JUSTID')
        cursor = answer[1] == '0-0' and '' or answer[1]
        for _, id in ipairs(answer[2]) do
            take(id, redis.call('XPENDING', stream, group, id, id, 1)[1][4])
        end
        gone = gone + (answer[3] and #answer[3] or 0)
        scanned = scanned + 10 * count
    until #entries > 0 or cursor == '' or scanned >= 1000
end

if ARGV[5] == '' then own() else idle() end
return {cursor, entries, gone}
