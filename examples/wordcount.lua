-- wordcount.lua [DIR...]: prints the most frequent words of all text files under some folders.
--
-- Without a folder it reads the system's documentation: /usr/share/doc, the common licences, and
-- Perl's library, whose modules contain their manuals. A text file has no NUL byte and is not
-- compressed. A word is a run of ASCII letters, in lower case.
-- The files are counted in this state first, then by a pool. Both counts must be equal.
-- SPDX-License-Identifier: MIT

local tidepool = require "tidepool"

package.path = (arg[0]:match("^(.*/)") or "./") .. "?.lua;" .. package.path
local support = require "support"

local DEFAULT = { "/usr/share/doc", "/usr/share/common-licenses", "/usr/share/perl" }
local LARGEST = 16 * 1024 * 1024 -- a file above this is data rather than text
local TOP = 20

-- Returns the name and size of each file under `dirs`, and the number of files that cannot be read.
-- find(1) ends each name with a NUL, the only byte that a name cannot contain.
local function list_files(dirs)
  local words = {}
  for i, dir in ipairs(dirs) do
    -- "./" before a relative name: find would take one that begins with "-" for an option.
    words[i] = support.quote(dir:sub(1, 1) == "/" and dir or "./" .. dir)
  end
  local pipe = assert(io.popen("find -H " .. table.concat(words, " ") .. " -type f -print0"))
  local names = pipe:read("a")
  pipe:close()
  local files, unreadable = {}, 0
  for name in names:gmatch("([^%z]+)%z") do
    local f = io.open(name, "rb")
    local size = f and f:seek("end")
    if f then f:close() end
    if not size then
      unreadable = unreadable + 1
    elseif size > 0 and size <= LARGEST and not name:find("%.gz$") then
      files[#files + 1] = { name = name, size = size }
    end
  end
  return files, unreadable
end

-- Groups files into `number` batches of about the same number of bytes. A batch is the work of one
-- task: large enough to outweigh the cost of a task, small enough that all workers have some.
local function make_batches(files, number)
  local total = 0
  for _, file in ipairs(files) do
    total = total + file.size
  end
  local batches, batch, filled = {}, {}, 0
  for _, file in ipairs(files) do
    batch[#batch + 1] = file.name
    filled = filled + file.size
    if filled * number >= total then
      batches[#batches + 1] = batch
      batch, filled = {}, 0
    end
  end
  if #batch > 0 then batches[#batches + 1] = batch end
  return batches
end

-- The task: counts the words of some files. Returns a table from word to count, and how many files
-- and bytes were text. Files that cannot be read are skipped.
local function count_words(names)
  local counts, texts, bytes = {}, 0, 0
  for _, name in ipairs(names) do
    local f = io.open(name, "rb")
    local text = f and f:read("a")
    if f then f:close() end
    if text and not text:find("\0", 1, true) then
      for word in text:lower():gmatch("%a+") do
        counts[word] = (counts[word] or 0) + 1
      end
      texts = texts + 1
      bytes = bytes + #text
    end
  end
  return counts, texts, bytes
end

local function add_counts(into, counts)
  for word, count in pairs(counts) do
    into[word] = (into[word] or 0) + count
  end
end

local function one_by_one(batches)
  local all, texts, bytes = {}, 0, 0
  for _, names in ipairs(batches) do
    local counts, t, b = count_words(names)
    add_counts(all, counts)
    texts, bytes = texts + t, bytes + b
  end
  return all, texts, bytes
end

local function in_parallel(batches, workers)
  local ex <close> = tidepool.executor { max_workers = workers, thread_name_prefix = "wordcount" }
  local all = {}
  -- One batch is one task (chunksize = 1). The counts are added up in the order of completion.
  for _, counts in ex:with({ chunksize = 1, ordered = false }):map(count_words, batches) do
    add_counts(all, counts)
  end
  return all
end

local function same(a, b)
  for word, count in pairs(a) do
    if b[word] ~= count then return false end
  end
  for word in pairs(b) do
    if not a[word] then return false end
  end
  return true
end

local dirs = {}
if #arg > 0 then
  table.move(arg, 1, #arg, 1, dirs)
else
  for _, dir in ipairs(DEFAULT) do
    if os.execute("test -d " .. dir) then dirs[#dirs + 1] = dir end
  end
end

local workers = tidepool.cpu_count()
local files, unreadable = list_files(dirs)
if #files == 0 then
  io.stderr:write("no files under ", table.concat(dirs, " "), "\n")
  os.exit(1)
end
local batches = make_batches(files, workers * 8)

local alone, expected, texts, bytes = support.timed(one_by_one, batches)
local together, counts = support.timed(in_parallel, batches, workers)

local words, total = {}, 0
for word, count in pairs(counts) do
  words[#words + 1] = word
  total = total + count
end
table.sort(words, function(a, b)
  if counts[a] ~= counts[b] then return counts[a] > counts[b] end
  return a < b
end)

print(("%s: %d files, %d of them text (%.1f MB), %d unreadable"):format(
  table.concat(dirs, " "), #files, texts, bytes / 1e6, unreadable))
print(("%d words, %d different; the most frequent:"):format(total, #words))
for i = 1, math.min(TOP, #words) do
  print(("%10d  %s"):format(counts[words[i]], words[i]))
end
print(("sequential: %6.2f s"):format(alone))
print(("parallel:   %6.2f s   speed-up %.2f, %d workers, %d tasks"):format(
  together, alone / together, workers, #batches))

if not same(expected, counts) then
  io.stderr:write("the two counts differ\n")
  os.exit(1)
end
print("both counts are equal")
