-- Rows of some keys, and of the keys that a category of theirs names, in one trip.
--
-- KEYS: the plan; the hashes of the keys' own views; the hashes of the views that they lead to.
-- ARGV: how much of the plan tells it from others; how many hashes of each kind; which of the own views names a key, how long the heads of its rows are, and which
--       of its categories it is; the key where none is named; the keys, the last of which marks a hash that is there.
-- Answers that much of the plan, what each hash holds of its keys, and the keys named.
-- How a category stands in a row is said in `features.online_store.rows`.

local PART, NO_TEXT = '\255', '\254'
local told, own, ahead = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local naming, head, place, nobody = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7]

local function category(row)
    local first = head + 1
    for _ = 1, place do
        first = (string.find(row, PART, first, true) or #row) + 1
    end
    return string.sub(row, first, (string.find(row, PART, first, true) or #row + 1) - 1)
end

local keys = {}
for n = 8, #ARGV do
    keys[n - 7] = ARGV[n]
end
local answer = {redis.call('GETRANGE', KEYS[1], 0, told - 1)}
for view = 1, own do
    answer[1 + view] = redis.call('HMGET', KEYS[1 + view], unpack(keys))
end
local named = {}
for n = 1, #keys - 1 do
    local row = answer[1 + naming][n]
    local text = row and category(row) or NO_TEXT
    named[n] = text ~= '' and text ~= NO_TEXT and text or nobody
end
named[#keys] = keys[#keys]
for view = own + 1, own + ahead do
    answer[1 + view] = redis.call('HMGET', KEYS[1 + view], unpack(named))
end
answer[2 + own + ahead] = named
return answer
