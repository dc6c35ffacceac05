# Completion of autobuilder for fish. It asks autobuilder itself, which then reads
# autobuilder.yml and contacts nothing. Load it with: autobuilder completion fish | source
function __autobuilder_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] complete -- $words[2..-1] 2>/dev/null)
        if test "$line" = :files
            set -l begin "$(string match -r '^-[^=]*=' -- $words[-1])"
            set -l length (string length -- "$begin")
            for path in (__fish_complete_path (string sub -s (math $length + 1) -- $words[-1]))
                echo $begin$path
            end
        else
            echo $line
        end
    end
end
complete -c autobuilder -f -a '(__autobuilder_complete)'
