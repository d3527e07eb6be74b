# Completion of dialout for bash; `dialout completion bash` prints it.

_dialout() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    local path=dialout words= at
    for ((at = 1; at < COMP_CWORD; at++)); do
        case "$path ${COMP_WORDS[at]}" in
            "dialout replay"|"dialout demo"|"dialout check"|"dialout run"|"dialout sim"|"dialout bench"|"dialout show"|"dialout show chassis"|"dialout show virtual-routers"|"dialout show targets"|"dialout show sessions"|"dialout show tunnels"|"dialout show routes"|"dialout show triggers"|"dialout show calls"|"dialout show records"|"dialout show counters"|"dialout show health"|"dialout show lacs"|"dialout show radius"|"dialout show ports"|"dialout show schema"|"dialout session"|"dialout session reset"|"dialout session delete"|"dialout target"|"dialout target add"|"dialout target remove"|"dialout target freeze"|"dialout target unfreeze"|"dialout freeze"|"dialout unfreeze"|"dialout lac"|"dialout lac drain"|"dialout lac undrain"|"dialout lac shutdown"|"dialout reload"|"dialout counters"|"dialout explain"|"dialout top"|"dialout trace"|"dialout capture"|"dialout completion")
                path="$path ${COMP_WORDS[at]}" ;;
        esac
    done
    case "$path $before" in
        "dialout replay --config")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout replay --write")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout replay --report")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout replay --html")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout replay --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout replay --seed")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout replay --to")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout replay --speed")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout replay --loop")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout demo --output")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout check --config")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout check --against")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout run --config")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout run --state")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout run --grace")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout run --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout run --user")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout run --log")
            COMPREPLY=($(compgen -W "auto stdout journal" -- "$current")); return ;;
        "dialout sim --config")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout sim --duration")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout sim --seed")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout sim --report")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout bench --days")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout bench --calls")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout bench --seed")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout bench --plot")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout bench --html")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout bench --table")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout bench --trace")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout bench --rules")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show chassis --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show virtual-routers --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show virtual-routers --state")
            COMPREPLY=($(compgen -W "initPending initFailed down inService" -- "$current")); return ;;
        "dialout show virtual-routers --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show virtual-routers --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show targets --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show targets --state")
            COMPREPLY=($(compgen -W "down inhibited inService" -- "$current")); return ;;
        "dialout show targets --destination")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show targets --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show targets --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show sessions --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show sessions --state")
            COMPREPLY=($(compgen -W "dormant pending authenticating connecting inService inhibited postInhibited failed" -- "$current")); return ;;
        "dialout show sessions --destination")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show sessions --target")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show sessions --lac")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show sessions --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show sessions --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show tunnels --lac")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show tunnels --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show tunnels --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show routes --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show routes --kind")
            COMPREPLY=($(compgen -W "access dial-out other" -- "$current")); return ;;
        "dialout show routes --destination")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show routes --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show routes --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show triggers --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show triggers --destination")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show triggers --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show triggers --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show calls --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show calls --destination")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show calls --lac")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show calls --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show calls --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show records --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show records --target")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show records --destination")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show records --lac")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show records --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show records --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show counters --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show health --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show lacs --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show lacs --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show radius --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show radius --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout show ports --limit")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout show ports --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout session reset --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout session reset --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout session delete --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout session delete --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout target add --domain")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout target add --profile")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout target add --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout target add --max-sessions")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout target add --classifier")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout target add --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout target remove --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout target remove --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout target freeze --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout target freeze --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout target unfreeze --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout target unfreeze --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout freeze --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout freeze --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout unfreeze --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout unfreeze --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout lac drain --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout lac undrain --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout lac shutdown --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout reload --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout counters --watch")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout counters --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout explain --virtual-router")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout explain --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout top --watch")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout top --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout trace --count")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout trace --filter")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout trace --patience")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout trace --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout capture --write")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout capture --filter")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout capture --snaplen")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout capture --count")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout capture --port")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout capture --socket")
            COMPREPLY=($(compgen -f -- "$current")); return ;;
        "dialout capture --rotate-size")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout capture --rotate-seconds")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
        "dialout capture --files")
            COMPREPLY=($(compgen -W "" -- "$current")); return ;;
    esac
    case "$path" in
        "dialout")
            words="replay demo check run sim bench show session target freeze unfreeze lac reload counters explain top trace capture completion -h --help --version" ;;
        "dialout replay")
            words="-h --help --config --write --report --html --limit --seed --json --to --speed --loop -v --verbose -q --quiet"
            COMPREPLY=($(compgen -f -- "$current")) ;;
        "dialout demo")
            words="-h --help --output --json -v --verbose -q --quiet" ;;
        "dialout check")
            words="-h --help --config --against --json" ;;
        "dialout run")
            words="-h --help --config --state --grace --socket --user --log --json -v --verbose -q --quiet" ;;
        "dialout sim")
            words="lac cpe radius -h --help --config --duration --seed --report --json -q --quiet" ;;
        "dialout bench")
            words="-h --help --days --calls --seed --peers --json --plot --html --table --trace --rules --quick" ;;
        "dialout show")
            words="chassis virtual-routers targets sessions tunnels routes triggers calls records counters health lacs radius ports schema -h --help" ;;
        "dialout show chassis")
            words="brief detail -h --help --json --socket" ;;
        "dialout show virtual-routers")
            words="brief detail -h --help --virtual-router --state --limit --json --socket" ;;
        "dialout show targets")
            words="brief detail -h --help --virtual-router --state --destination --frozen --limit --json --socket" ;;
        "dialout show sessions")
            words="brief detail -h --help --virtual-router --state --destination --target --lac --limit --json --socket" ;;
        "dialout show tunnels")
            words="brief detail -h --help --lac --ended --limit --json --socket" ;;
        "dialout show routes")
            words="brief detail -h --help --virtual-router --kind --destination --backup --limit --json --socket" ;;
        "dialout show triggers")
            words="brief detail -h --help --virtual-router --destination --limit --json --socket" ;;
        "dialout show calls")
            words="brief detail -h --help --virtual-router --destination --lac --limit --json --socket" ;;
        "dialout show records")
            words="brief detail -h --help --virtual-router --target --destination --lac --limit --json --socket" ;;
        "dialout show counters")
            words="brief detail -h --help --json --socket" ;;
        "dialout show health")
            words="brief detail -h --help --json --socket" ;;
        "dialout show lacs")
            words="brief detail -h --help --limit --json --socket" ;;
        "dialout show radius")
            words="brief detail -h --help --limit --json --socket" ;;
        "dialout show ports")
            words="brief detail -h --help --limit --json --socket" ;;
        "dialout show schema")
            words="call capture changed chassis counters explanation health hello lac port radius record reload route session target top trace trigger tunnel virtual-router -h --help" ;;
        "dialout session")
            words="reset delete -h --help" ;;
        "dialout session reset")
            words="-h --help --virtual-router --json --socket" ;;
        "dialout session delete")
            words="-h --help --virtual-router --json --socket" ;;
        "dialout target")
            words="add remove freeze unfreeze -h --help" ;;
        "dialout target add")
            words="-h --help --domain --profile --virtual-router --max-sessions --classifier --json --socket" ;;
        "dialout target remove")
            words="-h --help --virtual-router --json --socket" ;;
        "dialout target freeze")
            words="-h --help --virtual-router --hangup --json --socket" ;;
        "dialout target unfreeze")
            words="-h --help --virtual-router --json --socket" ;;
        "dialout freeze")
            words="-h --help --virtual-router --hangup --json --socket" ;;
        "dialout unfreeze")
            words="-h --help --virtual-router --json --socket" ;;
        "dialout lac")
            words="drain undrain shutdown -h --help" ;;
        "dialout lac drain")
            words="-h --help --json --socket" ;;
        "dialout lac undrain")
            words="-h --help --json --socket" ;;
        "dialout lac shutdown")
            words="-h --help --json --socket" ;;
        "dialout reload")
            words="-h --help --dry-run --json --socket" ;;
        "dialout counters")
            words="-h --help --watch --json --socket" ;;
        "dialout explain")
            words="-h --help --virtual-router --json --socket" ;;
        "dialout top")
            words="-h --help --watch --once --json --socket" ;;
        "dialout trace")
            words="-h --help --count --filter --patience --json --socket" ;;
        "dialout capture")
            words="-h --help --write --filter --snaplen --count --port --socket --rotate-size --rotate-seconds --files" ;;
        "dialout completion")
            words="bash zsh -h --help" ;;
    esac
    COMPREPLY+=($(compgen -W "$words" -- "$current"))
}
complete -o filenames -F _dialout dialout
