-- Neovim's own language client, which is nobody's of ours: opens the files of a folder with `wsproxy lsp` behind
-- them, types, asks, takes what is offered, and says what came of it. SCENE is one of those below.

local uv = vim.loop
local folder = vim.env.FOLDER
local exit_code

local function fail(message) error(message, 0) end

local function eventually(what, check)
  local last
  local done = vim.wait(20000, function() last = check() return last end, 20)
  if not done then fail("waited in vain: " .. what) end
  return last
end

local function same(found, expected, what)
  if not vim.deep_equal(found, expected) then
    fail(what .. ": " .. vim.inspect(found) .. " is not " .. vim.inspect(expected))
  end
end

local client_id

-- The version of each text that findings were shown for last, by URI.
local published = {}
-- The state of each text when it was opened, which Neovim may count as version 0.
local opened = {}
local publish = vim.lsp.handlers["textDocument/publishDiagnostics"]
vim.lsp.handlers["textDocument/publishDiagnostics"] = function(err, result, ...)
  published[result.uri] = result.version
  return publish(err, result, ...)
end

local function start()
  client_id = vim.lsp.start_client({
    name = "wsproxy",
    cmd = { vim.env.WSPROXY, "lsp", "--stdio" },
    root_dir = folder,
    workspace_folders = { { uri = vim.uri_from_fname(folder), name = "site" } },
    on_exit = function(code) exit_code = code end,
    flags = { debounce_text_changes = 0, allow_incremental_sync = true },
  })
  eventually("the server is there", function()
    local client = vim.lsp.get_client_by_id(client_id)
    return client and client.initialized
  end)
end

local function open(name)
  vim.cmd("edit " .. folder .. "/" .. name)
  local buffer = vim.api.nvim_get_current_buf()
  opened[buffer] = vim.api.nvim_buf_get_changedtick(buffer)
  vim.lsp.buf_attach_client(buffer, client_id)
  return buffer
end

local function lines(buffer) return vim.api.nvim_buf_get_lines(buffer, 0, -1, false) end

-- Codes of what is shown, each with its line, counted from 1: errors, and what RULE finds where one is named.
local function shown(buffer)
  local found = {}
  for _, one in ipairs(vim.diagnostic.get(buffer)) do
    local code = tostring(one.code or one.user_data.lsp.code)
    if one.severity == vim.diagnostic.severity.ERROR or code == vim.env.RULE then
      table.insert(found, (one.lnum + 1) .. " " .. code)
    end
  end
  table.sort(found)
  return found
end

-- Waits until this is shown of the text as it is now.
local function shows(buffer, expected)
  local found
  local done = vim.wait(20000, function()
    found = shown(buffer)
    local version, tick = published[vim.uri_from_bufnr(buffer)], vim.api.nvim_buf_get_changedtick(buffer)
    return (version == tick or version and opened[buffer] == tick) and vim.deep_equal(found, expected)
  end, 20)
  if not done then fail("shown is " .. vim.inspect(found) .. ", not " .. vim.inspect(expected)) end
end

-- Types over the first place where `old` stands.
local function replace(buffer, old, new)
  for at, line in ipairs(lines(buffer)) do
    local from, to = line:find(old, 1, true)
    if from then
      vim.api.nvim_buf_set_text(buffer, at - 1, from - 1, at - 1, to, vim.split(new, "\n"))
      return
    end
  end
  fail("nowhere stands " .. old)
end

-- The position behind `before` in the first line that has `text`, as the client counts.
local function behind(buffer, text, before)
  for at, line in ipairs(lines(buffer)) do
    local start = line:find(text, 1, true)
    if start then
      local _, to = line:find(before, start, true)
      return { line = at - 1, character = vim.str_utfindex and select(2, vim.str_utfindex(line, to)) or to }
    end
  end
  fail("nowhere stands " .. text)
end

local function ask(buffer, method, params)
  params.textDocument = params.textDocument or { uri = vim.uri_from_bufnr(buffer) }
  local answers, why = vim.lsp.buf_request_sync(buffer, method, params, 20000)
  if not answers then fail(method .. ": " .. tostring(why)) end
  local answer = answers[client_id]
  if answer.err or answer.error then fail(method .. ": " .. vim.inspect(answer.err or answer.error)) end
  return answer.result
end

local function at(buffer, method, text, before, more)
  local params = { position = behind(buffer, text, before) }
  return ask(buffer, method, vim.tbl_extend("force", params, more or {}))
end

-- What is offered, by title.
local function actions(buffer, text, only)
  local position = behind(buffer, text, text)
  local result = ask(buffer, "textDocument/codeAction", {
    range = { start = position, ["end"] = position },
    context = { diagnostics = {}, only = only },
  })
  local titles = {}
  for _, action in ipairs(result or {}) do titles[action.title] = action end
  return titles
end

local function apply(action)
  if not action then fail("this is not offered") end
  vim.lsp.util.apply_workspace_edit(action.edit, "utf-16")
end

local function labels(buffer, text)
  local found = {}
  for _, item in ipairs(at(buffer, "textDocument/completion", text, text)) do found[item.label] = item end
  return found
end

local function place(location)
  local uri, range = location.uri or location.targetUri, location.range or location.targetRange
  local path = vim.uri_to_fname(uri)
  return path:sub(#uv.fs_realpath(folder) + 2) .. ":" .. (range.start.line + 1)
end

local function places(locations)
  local found = {}
  for _, location in ipairs(locations or {}) do table.insert(found, place(location)) end
  table.sort(found)
  return found
end

local function outline(symbols, depth, found)
  for _, symbol in ipairs(symbols) do
    table.insert(found, ("  "):rep(depth) .. symbol.name .. (symbol.detail and " (" .. symbol.detail .. ")" or ""))
    outline(symbol.children or {}, depth + 1, found)
  end
  return found
end

local scenes = {}

-- What is typed is looked at before it is saved, and what is gone is not shown any more.
function scenes.typing()
  local main = open("nginx.conf")
  shows(main, {})
  replace(main, "proxy_read_timeout 1h;", "proxy_raed_timeout 1h; # żółw 😀")
  shows(main, { "16 unknown-directive" })
  local one = vim.diagnostic.get(main, { severity = vim.diagnostic.severity.ERROR })[1]
  same({ one.severity, one.source, one.col }, { vim.diagnostic.severity.ERROR, "wsproxy", 12 }, "what is shown")
  local offered = actions(main, "proxy_raed")['did you mean "proxy_read_timeout"? (unsafe: the meaning may change)']
  same(offered.isPreferred, false, "what may change the meaning")
  apply(offered)
  shows(main, {})
  replace(main, "proxy_read_timeout 1h; # żółw 😀", "# 😀😀\n            proxy_read_timeout 1x;")
  shows(main, { "17 invalid-value" })
  replace(main, "1x", "1h")
  shows(main, {})
end

-- A part is looked at as the main configuration has it, and what another open text says counts.
function scenes.parts()
  local part = open("conf.d/chat.conf")
  shows(part, {})
  replace(part, "http://chat", "http://chta")
  replace(part, "$connection_upgrade", "$conection_upgrade")
  shows(part, { "6 unknown-variable" })
  replace(part, "$conection_upgrade", "$connection_upgrade")
  shows(part, {})
  local main = open("nginx.conf")
  replace(main, "log_format times", "log_format other")
  shows(part, { "9 unknown-log-format" })
  same(vim.bo[main].modified, true, "nothing is saved")
  replace(main, "include conf.d/*.conf;", "")
  shows(part, {})
end

-- What is known where the cursor is.
function scenes.hover()
  local part = open("conf.d/chat.conf")
  local function said(text, before) return at(part, "textDocument/hover", text, before).contents.value end
  local function has(text, words)
    for _, word in ipairs(words) do
      if not text:find(word, 1, true) then fail(word .. " is not said: " .. text) end
    end
  end
  has(said("proxy_pass", "proxy_p"), { "proxy_pass URL", "location", "http_proxy", "Served by wsproxy",
    "https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_pass" })
  has(said("$connection_upgrade", "$conn"), { "map $http_upgrade $connection_upgrade {", "nginx.conf:" })
  has(said("$http_upgrade", "$http_up"), { "one of `$http_…`", "Served by wsproxy" })
  has(said("http://chat", "http://c"), { "upstream chat {" })
  same(at(part, "textDocument/hover", "listen", "listen 80"), nil, "nothing is known of a number")
end

-- What may be written here.
function scenes.completion()
  local part = open("conf.d/chat.conf")
  local item
  replace(part, "proxy_pass http://chat;", "prox")
  local here = labels(part, "prox")
  for _, name in ipairs({ "proxy_pass", "root", "proxy_read_timeout" }) do
    if not here[name] then fail(name .. " may stand here") end
  end
  for _, name in ipairs({ "listen", "worker_processes", "upstream" }) do
    if here[name] then fail(name .. " may not stand here") end
  end
  item = here.proxy_pass
  same(item.textEdit.newText, item.insertTextFormat == 2 and "proxy_pass $1;" or "proxy_pass", "what is written")
  local resolved = ask(part, "completionItem/resolve", item)
  if not resolved.documentation.value:find("proxy_pass URL", 1, true) then fail("an item has documentation") end
  replace(part, "prox", "proxy_pass http://c")
  item = labels(part, "http://c")["http://chat"]
  vim.lsp.util.apply_text_edits({ item.textEdit }, part, "utf-16")
  replace(part, "http://chat", "http://chat; proxy_buffering o")
  same(vim.tbl_count(labels(part, "proxy_buffering o")), 2, "on and off")
  replace(part, "proxy_buffering o", "proxy_set_header X $conn")
  if not labels(part, "$conn")["$connection_upgrade"] then fail("a variable of a map") end
  if not labels(part, "$conn")["$remote_addr"] then fail("a variable of nginx") end
  replace(part, "proxy_set_header X $conn", "error_page 502 @")
  if not labels(part, "502 @")["@sorry"] then fail("a named location") end
end

-- From a name to what it names.
function scenes.definition()
  local part = open("conf.d/chat.conf")
  local function leads(buffer, text, before)
    return places(at(buffer, "textDocument/definition", text, before))
  end
  same(leads(part, "http://chat", "http://c"), { "nginx.conf:9" }, "an upstream")
  same(leads(part, "$connection_upgrade", "$connec"), { "nginx.conf:5" }, "a variable")
  same(leads(part, "@sorry;", "@so"), { "conf.d/chat.conf:10" }, "a named location")
  same(leads(part, "access_log", "access.log tim"), { "nginx.conf:4" }, "a log format")
  local main = open("nginx.conf")
  same(leads(main, "include conf.d", "include conf"), { "conf.d/chat.conf:1" }, "an include")
  local used = at(main, "textDocument/references", "upstream chat", "upstream ch", { context = { includeDeclaration = true } })
  same(places(used), { "conf.d/chat.conf:4", "nginx.conf:15", "nginx.conf:9" }, "who passes to it")
end

-- The blocks of a text.
function scenes.outline()
  local main = open("nginx.conf")
  same(outline(ask(main, "textDocument/documentSymbol", {}), 0, {}), {
    "events", "http", "  map $http_upgrade $connection_upgrade", "  upstream chat",
    "  server www.example.com example.com (8080, 8081)", "    location /ws/",
  }, "the outline")
end

-- What mends, and what silences.
function scenes.actions()
  local wrong = open("wrong.conf")
  shows(wrong, { "4 missing-semicolon" })
  local offered = actions(wrong, "listen 8080")["end the directive"]
  same(offered.isPreferred, true, "what is sure")
  apply(offered)
  shows(wrong, { "6 " .. vim.env.RULE })
  same(lines(wrong)[4], "        listen 8080;", "the line")
  same(actions(wrong, vim.env.WORDS, { "source.organizeImports" }), {}, "nothing of another kind")
  apply(actions(wrong, vim.env.WORDS)["Allow " .. vim.env.RULE .. " here"])
  shows(wrong, {})
end

-- What mends in several places, and all that is safe at once.
function scenes.mending()
  local tls = open("tls.conf")
  shows(tls, { "6 ssl-on", "6 unknown-directive" })
  for _, one in ipairs(vim.diagnostic.get(tls)) do
    local related = one.user_data.lsp.relatedInformation
    if tostring(one.code or one.user_data.lsp.code) == "ssl-on" then
      same(place(related[1].location), "tls.conf:4", "what has to do with it")
    end
  end
  local before, offered = lines(tls), actions(tls, "ssl on")
  same(offered["say it where the server listens"].isPreferred, true, "a safe fix")
  apply(offered["say it where the server listens"])
  shows(tls, {})
  same({ lines(tls)[4], lines(tls)[6]:match("%S+") }, { "        listen 443 ssl;", "ssl_certificate" }, "the lines")
  vim.api.nvim_buf_set_lines(tls, 0, -1, false, before)
  shows(tls, { "6 ssl-on", "6 unknown-directive" })
  same(offered["Mend all that can be mended safely"], nil, "all is mended for those who ask for that")
  apply(actions(tls, "ssl on", { "source.fixAll" })["Mend all that can be mended safely"])
  shows(tls, {})
  same(lines(tls)[4], "        listen 443 ssl;", "a line")
end

-- One layout.
function scenes.layout()
  local part = open("conf.d/chat.conf")
  local before = lines(part)
  local edits = ask(part, "textDocument/formatting", { options = { tabSize = 8, insertSpaces = false } })
  same(#edits, 1, "edits")
  vim.lsp.util.apply_text_edits(edits, part, "utf-16")
  same(#lines(part), #before + 4, "lines")
  same(lines(part)[8], "        proxy_read_timeout 1h;", "a line")
  same(lines(part)[11], "    }", "the end of a block")
  edits = ask(part, "textDocument/formatting", { options = { tabSize = 8, insertSpaces = false } })
  same(edits, {}, "what is laid out stays")
end

local function run()
  start()
  scenes[vim.env.SCENE]()
  vim.lsp.stop_client(client_id)
  eventually("the server ends", function() return exit_code end)
  same(exit_code, 0, "the server's exit code")
end

local ok, why = xpcall(run, function(error) return tostring(error) end)
io.stderr:write(ok and "as it should be\n" or (tostring(why) .. "\n"))
vim.cmd(ok and "qall!" or "cquit 1")
